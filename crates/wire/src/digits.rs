//! Numbers and addresses as text, without the formatter of the standard library: every call writes a dozen of them, and
//! the formatter takes several times as long.

use std::io::Write as _;
use std::net::IpAddr;

/// Appends a whole number.
pub(crate) fn push_number(into: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    for digit in digits.iter_mut().rev() {
        // A digit of a decimal number is below 10.
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        first -= 1;
        if number == 0 {
            break;
        }
    }
    into.extend_from_slice(digits.get(first..).unwrap_or_default());
}

/// Appends an address, IPv6 without brackets.
pub(crate) fn push_address(into: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    into.push(b'.');
                }
                push_number(into, u64::from(octet));
            }
        }
        // Writing to a vector can't fail.
        IpAddr::V6(address) => write!(into, "{address}").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_they_are(number: u64) {
            let mut text = Vec::new();
            push_number(&mut text, number);
            prop_assert_eq!(String::from_utf8(text).unwrap(), number.to_string());
        }

        #[test]
        fn addresses_are_written_as_they_are(v4: u32, v6: u128) {
            for address in [IpAddr::from(Ipv4Addr::from(v4)), IpAddr::from(Ipv6Addr::from(v6))] {
                let mut text = Vec::new();
                push_address(&mut text, address);
                prop_assert_eq!(String::from_utf8(text).unwrap(), address.to_string());
            }
        }
    }
}
