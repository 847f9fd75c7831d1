//! The caller: an anonymous caller, a person, or a service of the mesh.

use crate::email::Email;

/// A person's role. Each role includes the roles before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Access to the person's own data only.
    Customer,
    /// Access to everybody's data.
    Staff,
    /// Access to the mesh itself.
    Admin,
}

/// A person with a verified token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The identity provider's id of the person.
    pub sub: String,
    /// The address in the token, in normal form.
    pub email: Option<Email>,
    /// Whether the identity provider has verified the address.
    pub email_verified: bool,
    /// The role.
    pub role: Role,
}

/// The caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A caller without a token.
    Anonymous,
    /// A person.
    User(User),
    /// A service of the mesh.
    Service(String),
}

impl Actor {
    /// The name of the actor in idempotency records: a `sub` or a service, never an address. The audit chain uses it too, but not
    /// for people, who have pseudonyms there.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::User(user) => format!("user:{}", user.sub),
            Self::Service(name) => format!("service:{name}"),
        }
    }
}
