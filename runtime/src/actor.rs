//! Who is calling: nobody that we know, a person, or a service of the mesh.

use crate::email::Email;

/// A person's role; each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Their own data only.
    Customer,
    /// Everybody's data.
    Staff,
    /// The mesh itself.
    Admin,
}

/// A person whose token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The identity provider's name for the person.
    pub sub: String,
    /// The address in the token, in normal form.
    pub email: Option<Email>,
    /// Whether the identity provider vouches for the address.
    pub email_verified: bool,
    /// The role.
    pub role: Role,
}

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Nobody that we know.
    Anonymous,
    /// A person.
    User(User),
    /// A service of the mesh.
    Service(String),
}

impl Actor {
    /// The name under which idempotency records know the actor, and under which the audit chain knows one that is not a
    /// person: a `sub` or a service, no address.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::User(user) => format!("user:{}", user.sub),
            Self::Service(name) => format!("service:{name}"),
        }
    }
}
