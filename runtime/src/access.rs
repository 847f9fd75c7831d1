//! The options of each RPC in the protos, and the decision whether a caller may call it.

mod known;
mod personal;

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};

pub use self::known::{methods, register};

use crate::{
    actor::{Actor, Role},
    service_error,
};

use self::personal::is_personal;
pub(crate) use self::personal::{PersonalOptions, is_open};

/// Who may call an RPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// A person with at least this role.
    AtLeast(Role),
    /// These services, no person. `self` is the hosting service.
    Services(Vec<String>),
}

/// Which services host an RPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// One service: named by the option `hosted_by`, otherwise by the package `levqor.<name>.v1`.
    Service(String),
    /// Every service; the named request field selects the service.
    Every {
        /// The request field; empty if the RPC runs on the service that was called.
        routed_by: String,
    },
}

/// Whether an RPC takes the `idempotency-key` metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRule {
    /// The key is ignored.
    Ignored,
    /// The key is used if it is there.
    Optional,
    /// A call without a key is refused.
    Required,
}

/// How often one caller may call an RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateClass {
    /// The class of RPCs without a `rate` option.
    Default,
    /// Conversations.
    Chat,
    /// RPCs that guard a code or a password.
    Code,
    /// Expensive RPCs.
    Heavy,
}

impl RateClass {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Default, Self::Chat, Self::Code, Self::Heavy];

    /// Its name in settings and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Chat => "chat",
            Self::Code => "code",
            Self::Heavy => "heavy",
        }
    }
}

/// The effect of a second identical call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It only reads.
    Safe,
    /// It changes something, and a second call changes nothing more.
    Idempotent,
    /// A second call may repeat the effect.
    Unknown,
}

/// One RPC, as its proto describes it.
#[derive(Debug)]
pub struct Method {
    /// The name of the service and of the RPC, for example `levqor.runtime.v1.StatusService/GetStatus`.
    pub rpc: String,
    /// The path on the wire: the same with a slash before it.
    pub path: http::uri::PathAndQuery,
    /// Who may call.
    pub access: Access,
    /// Who hosts it.
    pub host: Host,
    /// Whether it takes an idempotency key.
    pub key: KeyRule,
    /// The effect of a second identical call.
    pub repeat: Repeat,
    /// How often one caller may call.
    pub rate: RateClass,
    /// Whether its answer is an HTML page for a person.
    pub page: bool,
    /// Whether it gets the network and the program of the caller, because it stores evidence.
    pub client_evidence: bool,
    /// Whether its answer holds personal data.
    pub shows_personal_data: bool,
    /// The complete descriptor.
    pub descriptor: MethodDescriptor,
}

/// The RPCs of some packages.
#[derive(Debug)]
pub struct Methods {
    pool: DescriptorPool,
    by_path: HashMap<String, Method>,
    path_by_request: HashMap<String, String>,
    services: Vec<String>,
}

impl Methods {
    /// Reads the options of every RPC in `levqor.*` packages.
    #[must_use]
    pub fn read(pool: DescriptorPool) -> Self {
        let options = MethodOptions(&pool);
        let mut by_path = HashMap::new();
        let mut path_by_request = HashMap::new();
        let mut services = Vec::new();
        for service in pool.services().filter(|service| service.full_name().starts_with("levqor.")) {
            let host = options.host(&service);
            if let Host::Service(name) = &host
                && !services.contains(name)
            {
                services.push(name.clone());
            }
            for descriptor in service.methods() {
                let Some(method) = options.method(descriptor, host.clone()) else { continue };
                path_by_request.insert(
                    method.descriptor.input().full_name().to_owned(),
                    method.path.as_str().to_owned(),
                );
                by_path.insert(method.path.as_str().to_owned(), method);
            }
        }
        services.sort();
        Self { pool, by_path, path_by_request, services }
    }

    /// The descriptors of these packages, with options.
    #[must_use]
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// The RPC at this wire path.
    #[must_use]
    pub fn by_path(&self, path: &str) -> Option<&Method> {
        self.by_path.get(path)
    }

    /// The RPC with this request type, by the request's full name: every RPC has its own request type.
    #[must_use]
    pub fn by_request(&self, full_name: &str) -> Option<&Method> {
        self.by_path.get(self.path_by_request.get(full_name)?)
    }

    /// Every RPC, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Method> {
        self.by_path.values()
    }

    /// The names of the services, sorted.
    #[must_use]
    pub fn services(&self) -> &[String] {
        &self.services
    }
}

service_error! {
    /// Why the caller may not call.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
    pub enum Denied {
        /// The caller is not signed in.
        #[error("sign in first: this call needs a bearer token")]
        Anonymous => Unauthenticated "TOKEN_MISSING",
        /// The caller is signed in and has no permission.
        #[error("this call needs another role")]
        Role => PermissionDenied "ROLE_TOO_LOW",
    }
}

impl Method {
    /// Decides whether the actor may call this RPC on the service that hosts it.
    pub fn authorise(&self, actor: &Actor, hosted_by: &str) -> Result<(), Denied> {
        match (&self.access, actor) {
            (Access::Public, _) => Ok(()),
            (_, Actor::Anonymous) => Err(Denied::Anonymous),
            (Access::AtLeast(least), Actor::User(user)) if user.role >= *least => Ok(()),
            (Access::Services(callers), Actor::Service(name))
                if callers.iter().any(|c| c == name || (c == "self" && name == hosted_by)) =>
            {
                Ok(())
            }
            (Access::AtLeast(_) | Access::Services(_), Actor::User(_) | Actor::Service(_)) => {
                Err(Denied::Role)
            }
        }
    }
}

/// Reads the options of RPCs in these descriptors.
struct MethodOptions<'a>(&'a DescriptorPool);

impl MethodOptions<'_> {
    /// The value of this option, where it is set.
    fn get(&self, options: &DynamicMessage, name: &str) -> Option<Value> {
        let extension = self.0.get_extension_by_name(&format!("levqor.options.v1.{name}"))?;
        options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
    }

    fn host(&self, service: &prost_reflect::ServiceDescriptor) -> Host {
        let options = service.options();
        let package = || service.package_name().split('.').nth(1).unwrap_or_default().to_owned();
        match (self.get(&options, "routed_by"), self.get(&options, "hosted_by")) {
            (Some(Value::String(routed_by)), _) => Host::Every { routed_by },
            (_, Some(Value::String(name))) => Host::Service(name),
            _ => Host::Service(package()),
        }
    }

    /// None where the RPC has no `access` option: it cannot be called. (The build refuses such a proto.)
    fn method(&self, descriptor: MethodDescriptor, host: Host) -> Option<Method> {
        let options = descriptor.options();
        let access = match self.get(&options, "access")? {
            Value::Message(access) => read_access(&access)?,
            _ => return None,
        };
        let key = match self.get(&options, "idempotency_key") {
            Some(Value::EnumNumber(1)) => KeyRule::Required,
            Some(Value::EnumNumber(2)) => KeyRule::Optional,
            _ => KeyRule::Ignored,
        };
        let repeat =
            match options.get_field_by_name("idempotency_level").and_then(|level| level.as_enum_number()) {
                Some(1) => Repeat::Safe,
                Some(2) => Repeat::Idempotent,
                _ => Repeat::Unknown,
            };
        let rate = match self.get(&options, "rate") {
            Some(Value::EnumNumber(2)) => RateClass::Chat,
            Some(Value::EnumNumber(3)) => RateClass::Code,
            Some(Value::EnumNumber(4)) => RateClass::Heavy,
            _ => RateClass::Default,
        };
        let is_true = |name| matches!(self.get(&options, name), Some(Value::Bool(true)));
        let rpc = format!("{}/{}", descriptor.parent_service().full_name(), descriptor.name());
        let path = http::uri::PathAndQuery::try_from(format!("/{rpc}")).ok()?;
        Some(Method {
            rpc,
            path,
            access,
            host,
            key,
            repeat,
            rate,
            page: is_true("page"),
            client_evidence: is_true("client_evidence"),
            shows_personal_data: is_personal(&descriptor.output()),
            descriptor,
        })
    }
}

fn read_access(access: &DynamicMessage) -> Option<Access> {
    let callers = access.get_field_by_name("callers")?;
    let callers = callers.as_list()?.iter().filter_map(|caller| caller.as_str().map(str::to_owned)).collect();
    match access.get_field_by_name("role")?.as_enum_number()? {
        1 => Some(Access::Public),
        2 => Some(Access::AtLeast(Role::Customer)),
        3 => Some(Access::AtLeast(Role::Staff)),
        4 => Some(Access::AtLeast(Role::Admin)),
        5 => Some(Access::Services(callers)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::User;

    fn method(name: &str) -> &'static Method {
        methods().iter().find(|method| method.rpc.ends_with(name)).expect(name)
    }

    fn user(role: Role) -> Actor {
        Actor::User(User { sub: "u".to_owned(), email: None, email_verified: false, role })
    }

    #[test]
    fn every_rpc_of_the_pool_is_read() {
        let in_pool: usize = methods()
            .pool()
            .services()
            .filter(|service| service.full_name().starts_with("levqor."))
            .map(|service| service.methods().len())
            .sum();
        assert_eq!(methods().iter().count(), in_pool);
        assert!(in_pool > 10);
        assert!(methods().services().contains(&"billing".to_owned()));
    }

    #[test]
    fn a_role_is_a_minimum() {
        let staff_only = method("/ListStripeEvents");
        assert_eq!(staff_only.authorise(&Actor::Anonymous, "billing"), Err(Denied::Anonymous));
        assert_eq!(staff_only.authorise(&user(Role::Customer), "billing"), Err(Denied::Role));
        assert_eq!(staff_only.authorise(&user(Role::Staff), "billing"), Ok(()));
        assert_eq!(staff_only.authorise(&user(Role::Admin), "billing"), Ok(()));
        assert_eq!(staff_only.authorise(&Actor::Service("gateway".to_owned()), "billing"), Err(Denied::Role));
    }

    #[test]
    fn an_rpc_for_services_accepts_only_the_services_that_it_names() {
        let ingest = method("/IngestStripeEvent");
        assert_eq!(ingest.authorise(&Actor::Service("gateway".to_owned()), "billing"), Ok(()));
        assert_eq!(ingest.authorise(&Actor::Service("support".to_owned()), "billing"), Err(Denied::Role));
        assert_eq!(ingest.authorise(&user(Role::Admin), "billing"), Err(Denied::Role));
        let purge = method("/PurgeExpired");
        assert_eq!(purge.authorise(&Actor::Service("billing".to_owned()), "billing"), Ok(()));
        assert_eq!(
            purge.authorise(&Actor::Service("billing".to_owned()), "notifications"),
            Err(Denied::Role)
        );
    }
}
