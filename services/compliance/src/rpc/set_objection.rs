//! Sets whether the person who is signed in objects to a use of their data. Every service gets the change, and follows its own row.

use levqor_proto_compliance::v1::{SetObjectionRequest, SetObjectionResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Compliance,
    declaring::{self, Declaring},
    domain::{
        declaration::{DeclarationKind, Shown},
        objection::{Objected, changes, standings},
    },
    error::Error,
    mails,
    store::declarations,
};

pub(super) async fn set_objection(
    compliance: &Compliance,
    ctx: Ctx,
    request: SetObjectionRequest,
) -> Result<SetObjectionResponse, Error> {
    let Command { objected } = (&request).try_into()?;
    let person = declaring::person(compliance, &ctx.actor);
    if request.objects && person.email.is_none() {
        // Mails, leads and flows are found by their address.
        return Err(Error::EmailNotVerified);
    }
    mutate(compliance, &ctx, &request, async |tx| {
        let now = tx.now().await?;
        let before = declarations::last(tx, DeclarationKind::Objection, &person).await?;
        let declaring = Declaring {
            person: &person,
            source: declaring::WEBSITE,
            client: &ctx.client,
            shown: &Shown::default(),
        };
        let ids = declaring::object_to(tx, declaring, objected, request.objects, now).await?;
        mails::objections_changed(tx, &person, changes(&before, objected, request.objects), &ids).await?;
        let decisions = declarations::last(tx, DeclarationKind::Objection, &person).await?;
        let response = SetObjectionResponse { standings: Some(standings(&decisions)) };
        Ok(Done::audited(response, "objection.set", &[("objection_ids", &ids.join(" "))]))
    })
    .await
}

/// A valid request.
struct Command {
    objected: Objected,
}

impl TryFrom<&SetObjectionRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &SetObjectionRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let objected = violations.field_enum("scope", request.scope);
        violations.finish(objected.map(|objected| Self { objected }))
    }
}
