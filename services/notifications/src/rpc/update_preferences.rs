//! `UpdatePreferences`: the recipient of a mail says which advertising they want. A person who has the link reads the mail of the address,
//! so a box that they tick is an agreement.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_notifications::v1::UpdatePreferencesRequest;
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Notifications, consent, domain::newsletter::Topic, error::Error, pages::PREFERENCES_TEXT,
    store::permission_changes::Evidence,
};

pub(super) async fn update_preferences(
    notifications: &Notifications,
    ctx: Ctx,
    request: UpdatePreferencesRequest,
) -> Result<HttpBody, Error> {
    let recipient = notifications.links.keys.read_recipient(&request.token)?;
    let Command { topics } = (&request).try_into()?;
    mutate(notifications, &ctx, &request, async |tx| {
        let evidence =
            Evidence { source: "preference_centre", shown_text: PREFERENCES_TEXT, subscription: None };
        consent::set(tx, &recipient, &topics, &evidence).await?;
        let page = notifications.pages.preferences(&topics, true).map_err(Error::Render)?;
        Ok(Done::unaudited(page, "the proof stands in permission_changes"))
    })
    .await
}

/// A valid form: the boxes that are ticked. A browser sends nothing for the others.
struct Command {
    topics: Vec<Topic>,
}

impl TryFrom<&UpdatePreferencesRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &UpdatePreferencesRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let form = request.form.as_ref();
        let kind = form.map(|form| form.content_type.as_str()).unwrap_or_default();
        let data = form.map(|form| form.data.as_slice()).unwrap_or_default();
        // An empty form has no type.
        if !data.is_empty() && !kind.starts_with("application/x-www-form-urlencoded") {
            violations.add("form", "expected application/x-www-form-urlencoded");
        }
        let mut topics = Vec::new();
        for (name, value) in form_urlencoded::parse(data) {
            match (&*name, value.parse()) {
                ("category", Ok(topic)) => topics.push(topic),
                ("category", Err(_)) => violations.add("form.category", "expected a category of the page"),
                // A field that a browser's extension adds is not ours to refuse.
                _ => {}
            }
        }
        violations.finish(Some(Self { topics }))
    }
}
