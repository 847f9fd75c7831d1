//! Corrects the name and a wrong address of a person in the person's rows, some seconds per call. Compliance calls it again until it is
//! complete. It works without `mutate`, because each batch of rows has its own commit. The id of the correction makes a second call
//! harmless.

use levqor_proto_runtime::v1::{RectifySubjectRequest, RectifySubjectResponse};
use uuid::Uuid;

use super::{Error, Hosted, read_id, subject};
use crate::{
    audit,
    context::Ctx,
    email::Email,
    error::{Invalid, Violations},
    privacy::{self, Rectification, Search, Subject, Value, ValueKind},
    rpc::State,
    service::Service,
};

pub(super) async fn rectify_subject<S: Service>(
    hosted: &Hosted<S>,
    ctx: Ctx,
    request: RectifySubjectRequest,
) -> Result<RectifySubjectResponse, Error> {
    let Command { rectification_id: id, name, address } = (&request).try_into()?;
    let db = &hosted.chassis().db;
    let wanted = subject::wanted(hosted, &mut *db.acquire().await?, request.subject.as_ref()).await?;
    let of_name = name.as_deref().map(|right| Value { kind: ValueKind::Name, search: &wanted.search, right });
    // The rows of the person, and the unclaimed rows with the wrong address.
    let with_wrong = address.as_ref().map(|address| Subject {
        subs: wanted.subject.subs.clone(),
        emails: [address.wrong.as_str().to_owned()].into(),
        ..Subject::default()
    });
    let with_wrong = with_wrong.map(|subject| Search::new(&subject, Vec::new()));
    let of_address = address.as_ref().zip(with_wrong.as_ref()).map(|(address, search)| Value {
        kind: ValueKind::Email,
        search,
        right: address.right.as_str(),
    });
    // The name is corrected first, because afterwards the rows have another address.
    let values = of_name.into_iter().chain(of_address).collect();
    let rectification = Rectification { id, catalogue: &wanted.catalogue, values };
    let (rectified, complete) = privacy::rectify(db, &rectification).await?;
    if complete {
        let mut tx = db.begin().await?;
        let now = tx.now().await?;
        if privacy::complete(&mut tx, id, now).await? {
            let ids = [("rectification_id", request.rectification_id.as_str())];
            audit::append(&mut tx, &ctx.actor, "subject.rectify", &ids).await?;
        }
        tx.commit().await?;
    }
    Ok(RectifySubjectResponse { complete, rectified: subject::table_rows(rectified) })
}

/// A valid request.
struct Command {
    rectification_id: Uuid,
    name: Option<String>,
    address: Option<Address>,
}

/// A wrong address, and the right one.
struct Address {
    wrong: Email,
    right: Email,
}

impl TryFrom<&RectifySubjectRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &RectifySubjectRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let id = read_id("rectification_id", &request.rectification_id, "a correction");
        let rectification_id = violations.take(id);
        if request.name.contains(char::is_control) {
            violations.add("name", "expected a name without control characters");
        }
        let name = Some(request.name.clone()).filter(|name| !name.is_empty());
        let wrong = violations.filter("wrong_email", &request.wrong_email);
        let right = violations.filter("right_email", &request.right_email);
        let address = wrong.zip(right).map(|(wrong, right)| Address { wrong, right });
        if name.is_none() && address.is_none() {
            violations.add("name", "expected a name, or a wrong and a right address");
        }
        violations.finish(rectification_id.map(|rectification_id| Self { rectification_id, name, address }))
    }
}
