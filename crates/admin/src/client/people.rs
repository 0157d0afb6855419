//! One method for each act on people's accounts, named as on the command line.

use http::Method;

use super::AdminClient;
use super::acts::{Told, below};
use crate::views::{Sessions, ShownOnce, SignedOut, User, UserCreate, UserPassword, Users};

// Every act answers with what the admin API says, or with its error; `GateUnreachable` when it could not be asked.
#[expect(clippy::missing_errors_doc, reason = "the same for all of them, said once above")]
impl AdminClient {
    /// Every account.
    pub async fn users_list(&self) -> Told<Users> {
        self.ask(Method::GET, "/v1/users".to_owned()).await
    }

    /// Makes an account.
    pub async fn users_create(&self, asked: &UserCreate) -> Told<User> {
        self.send(Method::POST, "/v1/users".to_owned(), asked).await
    }

    /// Gives an account another password: when this answers, whatever came of the old one is over.
    pub async fn users_password(&self, name: &str, password: ShownOnce) -> Told<User> {
        let asked = UserPassword { password };
        self.send(Method::POST, format!("{}/password", below("/v1/users", name)), &asked).await
    }

    /// Takes an account's power away: when this answers, the next call with a token of it is refused.
    pub async fn users_disable(&self, name: &str) -> Told<User> {
        self.ask(Method::POST, format!("{}/disable", below("/v1/users", name))).await
    }

    /// Lets somebody sign in again.
    pub async fn users_enable(&self, name: &str) -> Told<User> {
        self.ask(Method::POST, format!("{}/enable", below("/v1/users", name))).await
    }

    /// Removes an account with everything that came of it.
    pub async fn users_remove(&self, name: &str) -> Told<User> {
        self.ask(Method::DELETE, below("/v1/users", name)).await
    }

    /// The browsers in which somebody is signed in.
    pub async fn users_sessions(&self, name: &str) -> Told<Sessions> {
        self.ask(Method::GET, format!("{}/sessions", below("/v1/users", name))).await
    }

    /// Ends every session of somebody.
    pub async fn users_sign_out(&self, name: &str) -> Told<SignedOut> {
        self.ask(Method::POST, format!("{}/sign-out", below("/v1/users", name))).await
    }
}
