//! Stores what people declare (consents, acceptances, objections), and tells the other services about it.

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
        asked::Declared,
        consent::{Decision, Purpose},
        data_request::{DataRequest, Origin},
        declaration::{Declaration, DeclarationId, DeclarationKind, Person, Shown, sha256},
        objection::{self, Objected},
    },
    store::declarations,
};

/// The source of what staff entered for a person.
pub(crate) const STAFF: &str = "staff";
/// The source of a person's declarations on a website or on the privacy page.
pub(crate) const WEBSITE: &str = "website";

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

/// Who declares something, and the proof of it.
#[derive(Clone, Copy)]
pub(crate) struct Declaring<'d> {
    pub(crate) person: &'d Person,
    pub(crate) source: &'d str,
    pub(crate) client: &'d Client,
    pub(crate) shown: &'d Shown,
}

impl Declaring<'_> {
    /// The row for the ledger.
    fn declaration(
        &self,
        kind: DeclarationKind,
        scope: &str,
        given: bool,
        now: DateTime<Utc>,
    ) -> Declaration {
        Declaration {
            id: DeclarationId::new_at(now),
            kind,
            scope: scope.to_owned(),
            given,
            person: self.person.clone(),
            shown: self.shown.clone(),
            source: self.source.to_owned(),
            by_signal: false,
            client: self.client.clone(),
            origin: None,
            declare_time: now,
        }
    }
}

/// Adds the declarations of a data request to the ledger, and sends them to the services that act on them. Returns the ids of the
/// declarations.
pub(crate) async fn declare(
    compliance: &Compliance,
    tx: &mut Tx,
    request: &DataRequest,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<Vec<String>, DbError> {
    let Declared { objected, ends, withdrawn, shown } = &request.declared;
    let source = match request.origin {
        Origin::Account | Origin::Mail => WEBSITE,
        Origin::Staff => STAFF,
    };
    let mut person = Person {
        sub: request.owner_sub.clone(),
        email: Some(request.email.clone()),
        visitor_id: None,
        address_hash: compliance.hash(&request.email),
    };
    let mut ids = withdraw(tx, Declaring { person: &person, source, client, shown }, withdrawn, now).await?;
    if let Some(objected) = objected {
        if person.sub.is_none() {
            // The services know a person who objected while signed in by the account, too.
            person.sub = declarations::objector(tx, &request.email, None).await?;
        }
        let declaring = Declaring { person: &person, source, client, shown };
        ids.extend(object_to(tx, declaring, *objected, !ends, now).await?);
    }
    Ok(ids)
}

/// Takes the withdrawal of consents into the ledger, and tells notifications. Returns the ids of the declarations.
pub(crate) async fn withdraw(
    tx: &mut Tx,
    declaring: Declaring<'_>,
    purposes: &[Purpose],
    now: DateTime<Utc>,
) -> Result<Vec<String>, DbError> {
    let mut ids = Vec::new();
    for purpose in purposes {
        let declaration = declaring.declaration(DeclarationKind::Consent, purpose.as_str(), false, now);
        declarations::insert(tx, &declaration).await?;
        tell_permission(tx, &declaration, *purpose, "").await?;
        ids.push(declaration.id.to_string());
    }
    Ok(ids)
}

/// Takes an objection, or its end, into the ledger: one declaration for each scope. Returns their ids.
pub(crate) async fn object_to(
    tx: &mut Tx,
    declaring: Declaring<'_>,
    objected: Objected,
    stands: bool,
    now: DateTime<Utc>,
) -> Result<Vec<String>, DbError> {
    let mut ids = Vec::new();
    for scope in objected.scopes() {
        ids.push(object(tx, declaring, *scope, stands, now).await?.to_string());
    }
    Ok(ids)
}

/// Adds an objection to one use, or its end, to the ledger, and tells every service that acts.
async fn object(
    tx: &mut Tx,
    declaring: Declaring<'_>,
    scope: ObjectionScope,
    stands: bool,
    now: DateTime<Utc>,
) -> Result<DeclarationId, DbError> {
    let declaration = declaring.declaration(DeclarationKind::Objection, scope.as_str(), stands, now);
    let (id, person) = (declaration.id, declaring.person);
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

/// Ends the person's objection to advertising, because the person agreed to some advertising.
pub(crate) async fn end_objection_to_marketing(
    tx: &mut Tx,
    person: &Person,
    agree_time: DateTime<Utc>,
) -> Result<(), DbError> {
    let mut theirs = Person { visitor_id: None, ..person.clone() };
    if let (None, Some(email)) = (&theirs.sub, &theirs.email) {
        // A person who objected while signed in has agreed by the link in a mail.
        theirs.sub = declarations::objector(tx, email, Some(ObjectionScope::Marketing.as_str())).await?;
    }
    let decisions = declarations::last(tx, DeclarationKind::Objection, &theirs).await?;
    let is_older =
        |of: &Decision| of.scope == ObjectionScope::Marketing.as_str() && of.given && of.time < agree_time;
    if decisions.iter().any(is_older) {
        let declaring = Declaring {
            person: &theirs,
            source: "consent",
            client: &Client::default(),
            shown: &Shown::default(),
        };
        object(tx, declaring, ObjectionScope::Marketing, false, agree_time).await?;
    }
    Ok(())
}

impl Compliance {
    /// The keyed hash of an address, which outlives it. `None` if no key is set.
    pub(crate) fn hash(&self, email: &Email) -> Option<levqor_runtime::address::AddressHash> {
        self.config.address_key.as_ref().map(|key| key.hash(email))
    }

    /// The name of an address in the keys of calls, which outlive it: its keyed hash. A plain hash can be guessed: it is the name
    /// only if no key is set.
    pub(crate) fn name_of(&self, email: &Email) -> String {
        self.hash(email).map_or_else(|| sha256(email.as_str()), |hash| hex::encode(hash.as_bytes()))
    }
}
