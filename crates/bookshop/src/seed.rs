//! The data that every shop starts with. Books are old enough to belong to everybody, customers are made up, and
//! addresses end in names that nobody can own (RFC 2606).

use crate::books::Book;
use crate::customers::Customer;
use crate::orders::{Line, Order, Status};

/// The last seeded order; newer ones are those that callers placed.
pub(crate) const LAST_ORDER: u32 = 12;

/// Title, author, year, price.
const BOOKS: &[(&str, &str, u16, u32)] = &[
    ("Frankenstein", "Mary Shelley", 1818, 1290),
    ("Pride and Prejudice", "Jane Austen", 1813, 990),
    ("Moby-Dick", "Herman Melville", 1851, 1890),
    ("The Time Machine", "H. G. Wells", 1895, 790),
    ("Middlemarch", "George Eliot", 1871, 1690),
    ("Jane Eyre", "Charlotte Brontë", 1847, 1190),
    ("Wuthering Heights", "Emily Brontë", 1847, 1090),
    ("Flatland", "Edwin A. Abbott", 1884, 690),
    ("Dracula", "Bram Stoker", 1897, 1250),
    ("Les Misérables", "Victor Hugo", 1862, 2490),
    ("Crime and Punishment", "Fyodor Dostoevsky", 1866, 1590),
    ("War and Peace", "Leo Tolstoy", 1869, 2690),
    ("Emma", "Jane Austen", 1815, 990),
    ("Great Expectations", "Charles Dickens", 1861, 1390),
    ("The Moonstone", "Wilkie Collins", 1868, 1290),
    ("Madame Bovary", "Gustave Flaubert", 1856, 1150),
    ("Walden", "Henry David Thoreau", 1854, 890),
    ("Little Women", "Louisa May Alcott", 1868, 1090),
    ("Treasure Island", "Robert Louis Stevenson", 1883, 850),
    ("Kidnapped", "Robert Louis Stevenson", 1886, 850),
    ("The War of the Worlds", "H. G. Wells", 1898, 890),
    ("Alice's Adventures in Wonderland", "Lewis Carroll", 1865, 790),
    ("Around the World in Eighty Days", "Jules Verne", 1872, 950),
    ("On the Origin of Species", "Charles Darwin", 1859, 1990),
];

/// The shelf.
pub(crate) fn books() -> Vec<Book> {
    (1..)
        .zip(BOOKS)
        .map(|(id, &(title, author, year, price_cents))| Book { id, title, author, year, price_cents })
        .collect()
}

/// Number, name, user, password, email, address, member since, administrator.
type CustomerRow = (u32, &'static str, &'static str, &'static str, &'static str, &'static str, &'static str, bool);

const CUSTOMERS: &[CustomerRow] = &[
    (1, "Ada Ito", "ada", "engine-1843", "ada@books.example", "1 Mill Lane", "2019-03-01", false),
    (2, "Ben Okoro", "ben", "harbour-22", "ben@books.example", "22 Quay Street", "2020-07-14", false),
    (3, "Chloe Marin", "chloe", "violet-fox", "chloe@books.example", "3 Hill Road", "2021-01-30", false),
    (4, "Dmitri Vale", "dmitri", "seven-oaks", "dmitri@books.example", "48 Oak Avenue", "2022-11-05", false),
    (5, "Esra Lind", "esra", "keeper-of-shelves", "esra@books.example", "5 Shop Square", "2018-05-20", true),
];

/// The customers. Number 1 is whoever calls without a session.
pub(crate) fn customers() -> Vec<Customer> {
    CUSTOMERS
        .iter()
        .map(|&(id, name, user, password, email, address, member_since, admin)| Customer {
            id,
            name,
            email,
            phone: format!("+1 555 01{id:02}"),
            address,
            member_since,
            user,
            password,
            admin,
        })
        .collect()
}

/// The orders: the odd numbers are the walk-in customer's, the even ones go round the next three.
pub(crate) fn orders() -> Vec<Order> {
    let books = books();
    (1..=LAST_ORDER)
        .map(|id| {
            let items = vec![Line { book: id, quantity: 1 }, Line { book: id + 12, quantity: 1 + id % 3 }];
            let cents = |line: &Line| {
                let price = books.iter().find(|book| book.id == line.book).map_or(0, |book| book.price_cents);
                u64::from(price) * u64::from(line.quantity)
            };
            let status = if id > 10 { Status::Placed } else { Status::Sent };
            let customer = if id % 2 == 1 { 1 } else { 2 + (id / 2 - 1) % 3 };
            Order { id, customer, total_cents: items.iter().map(cents).sum(), items, status }
        })
        .collect()
}
