//! Who declares something, and what other services are told of it.

use chrono::{DateTime, Utc};
use levqor_proto_notifications::v1::ApplyPermissionRequest;
use levqor_proto_runtime::v1::{ApplyObjectionRequest, Subject};
use levqor_runtime::{
    context::{Actor, Client, User},
    db::{DbError, Tx},
    deferred::defer,
    email::Email,
    objections::ObjectionScope,
    service::Service,
    timestamp,
};

use crate::{
    Compliance,
    domain::{
        consent::{Decision, Purpose},
        declaration::{Declaration, DeclarationId, DeclarationKind, Person, Shown, sha256},
        objection,
    },
    store::declarations,
};

/// The source of what staff entered for a person.
pub(crate) const STAFF: &str = "staff";

/// The person who calls: the account, and the address if it is verified.
pub(crate) fn person(compliance: &Compliance, actor: &Actor) -> Person {
    match actor {
        Actor::User(User { sub, email, email_verified, .. }) => {
            let email = email.clone().filter(|email| *email_verified && email.may_claim());
            let address_hash = email.as_ref().and_then(|email| compliance.hash(email));
            Person { sub: Some(sub.clone()), email, visitor_id: None, address_hash }
        }
        Actor::Anonymous | Actor::Service(_) => Person::default(),
    }
}

/// Tells notifications of a decision about advertising.
pub(crate) async fn tell_permission(
    tx: &mut Tx,
    declaration: &Declaration,
    purpose: Purpose,
    shown_text: &str,
) -> Result<(), DbError> {
    let (Some(category), Some(email)) = (purpose.category(), &declaration.person.email) else {
        return Ok(());
    };
    let permission = ApplyPermissionRequest {
        email: email.as_str().to_owned(),
        category: category.into(),
        given: declaration.given,
        change_time: Some(timestamp(declaration.declare_time)),
        shown_text: shown_text.to_owned(),
    };
    defer(tx, &permission, format!("permission:{}", declaration.id)).await
}

/// An objection, or its end, as a person declares it.
pub(crate) struct Objecting<'o> {
    pub(crate) person: &'o Person,
    pub(crate) scope: ObjectionScope,
    pub(crate) stands: bool,
    pub(crate) source: &'o str,
    pub(crate) client: &'o Client,
}

/// Adds an objection, or its end, to the ledger, and tells every service that acts.
pub(crate) async fn object(
    tx: &mut Tx,
    objecting: Objecting<'_>,
    now: DateTime<Utc>,
) -> Result<DeclarationId, DbError> {
    let Objecting { person, scope, stands, source, client } = objecting;
    let id = DeclarationId::new_at(now);
    let declaration = Declaration {
        id,
        kind: DeclarationKind::Objection,
        scope: scope.as_str().to_owned(),
        given: stands,
        person: person.clone(),
        shown: Shown::default(),
        source: source.to_owned(),
        by_signal: false,
        client: client.clone(),
        origin: None,
        declare_time: now,
    };
    declarations::insert(tx, &declaration).await?;
    let subject = Subject {
        subs: person.sub.iter().cloned().collect(),
        emails: person.email.iter().map(|email| email.as_str().to_owned()).collect(),
        stripe_customers: Vec::new(),
    };
    for service in Compliance::ASKS {
        let objection = ApplyObjectionRequest {
            service: (*service).to_owned(),
            subject: Some(subject.clone()),
            scope: objection::told(scope),
            stands,
            change_time: Some(timestamp(now)),
        };
        defer(tx, &objection, format!("objection:{id}:{service}")).await?;
    }
    Ok(id)
}

/// Ends an objection to advertising that stood when the person agreed to some.
pub(crate) async fn end_objection_to_marketing(
    tx: &mut Tx,
    person: &Person,
    agree_time: DateTime<Utc>,
) -> Result<(), DbError> {
    let mut theirs = Person { visitor_id: None, ..person.clone() };
    if let (None, Some(email)) = (&theirs.sub, &theirs.email) {
        // Who objected while signed in agreed by the link in a mail.
        theirs.sub = declarations::objector(tx, email, Some(ObjectionScope::Marketing.as_str())).await?;
    }
    let decisions = declarations::last(tx, DeclarationKind::Objection, &theirs).await?;
    let is_older =
        |of: &Decision| of.scope == ObjectionScope::Marketing.as_str() && of.given && of.time < agree_time;
    if decisions.iter().any(is_older) {
        let ending = Objecting {
            person: &theirs,
            scope: ObjectionScope::Marketing,
            stands: false,
            source: "consent",
            client: &Client::default(),
        };
        object(tx, ending, agree_time).await?;
    }
    Ok(())
}

impl Compliance {
    /// The keyed hash of an address, which outlives it. `None` if no key is set.
    pub(crate) fn hash(&self, email: &Email) -> Option<levqor_runtime::address::AddressHash> {
        self.config.address_key.as_ref().map(|key| key.hash(email))
    }

    /// The name of an address in the keys of calls, which outlive it: its keyed hash. A plain hash can be guessed: it is the name only
    /// where no key is set.
    pub(crate) fn name_of(&self, email: &Email) -> String {
        self.hash(email).map_or_else(|| sha256(email.as_str()), |hash| hex::encode(hash.as_bytes()))
    }
}
