//! Who is calling, and what this call may do: the value that every handler holds.

use std::time::Instant;

use crate::{access::Method, email::Email};

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
    /// The name under which idempotency records know the actor, and the audit chain one that is no person: a `sub` or a
    /// service, no address.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::User(user) => format!("user:{}", user.sub),
            Self::Service(name) => format!("service:{name}"),
        }
    }
}

/// Which rows of owned tables a call may see. Every store function on such a table takes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All rows: staff, admins and services.
    All,
    /// Rows of one person: theirs by `sub`, or nobody's yet with their verified address.
    Own {
        /// The person.
        sub: String,
        /// The address, only if it is verified and may claim.
        email: Option<Email>,
    },
}

impl Scope {
    /// True where all rows may be seen.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The person, for `WHERE`.
    #[must_use]
    pub fn sub(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Own { sub, .. } => Some(sub),
        }
    }

    /// The verified address, for `WHERE`.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Own { email, .. } => email.as_ref().map(Email::as_str),
        }
    }
}

/// One call: who makes it, under which names, until when.
#[derive(Debug, Clone)]
pub struct Ctx {
    /// Who is calling.
    pub actor: Actor,
    /// The request's name in logs and answers.
    pub request_id: String,
    /// The key by which the call is made once.
    pub idempotency_key: Option<String>,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// The RPC.
    pub method: &'static Method,
}

impl Ctx {
    /// The rows that this call may see. Anonymous callers own nothing.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match &self.actor {
            Actor::Service(_) => Scope::All,
            Actor::User(user) if user.role >= Role::Staff => Scope::All,
            Actor::User(user) => Scope::Own {
                sub: user.sub.clone(),
                email: user.email.clone().filter(|email| user.email_verified && email.may_claim()),
            },
            Actor::Anonymous => Scope::Own { sub: String::new(), email: None },
        }
    }
}
