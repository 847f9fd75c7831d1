//! Enters an objection of a person, or its end, by staff: it came by letter, by phone or in a mail. Each service that acts on it gets it.

use levqor_proto_compliance::v1::{EnterObjectionRequest, EnterObjectionResponse};
use levqor_runtime::{
    context::{Client, Ctx},
    email::Email,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    declaring::{self, Declaring},
    domain::{
        declaration::{DeclarationKind, Person, Shown},
        objection::{Objected, changes, standings},
    },
    error::Error,
    mails,
    store::declarations,
};

pub(super) async fn enter_objection(
    compliance: &Compliance,
    ctx: Ctx,
    request: EnterObjectionRequest,
) -> Result<EnterObjectionResponse, Error> {
    let Command { email, objected } = (&request).try_into()?;
    let address_hash = compliance.hash(&email);
    mutate(compliance, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        // The services know a person who objected while signed in by the account, too.
        let sub = declarations::objector(tx, &email, None).await?;
        let person = Person { sub, email: Some(email.clone()), visitor_id: None, address_hash };
        let before = declarations::last(tx, DeclarationKind::Objection, &person).await?;
        let declaring = Declaring {
            person: &person,
            source: declaring::STAFF,
            client: &Client::default(),
            shown: &Shown::default(),
        };
        let ids = declaring::object_to(tx, declaring, objected, request.objects, now).await?;
        mails::objections_changed(tx, &person, changes(&before, objected, request.objects), &ids).await?;
        let decisions = declarations::last(tx, DeclarationKind::Objection, &person).await?;
        let response = EnterObjectionResponse { standings: Some(standings(&decisions)) };
        Ok(Done::audited(response, "objection.enter", &[("objection_ids", &ids.join(" "))]))
    })
    .await
}

/// A valid request.
struct Command {
    email: Email,
    objected: Objected,
}

impl TryFrom<&EnterObjectionRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &EnterObjectionRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let email = violations.field("email", &request.email);
        let objected = violations.field_enum("scope", request.scope);
        violations.finish(email.zip(objected).map(|(email, objected)| Self { email, objected }))
    }
}
