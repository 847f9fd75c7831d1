//! `ListTemplates`: shows staff the mail templates. It is not written with `list`, because the templates are in memory and not in
//! a table.

use chrono::{DateTime, Utc};
use levqor_proto_notifications::v1::{self as wire, ListTemplatesRequest, ListTemplatesResponse};
use levqor_runtime::{context::Ctx, db::Page, error::Violations};
use uuid::Uuid;

use crate::{Notifications, domain::template::Template, error::Error};

pub(super) async fn list_templates(
    notifications: &Notifications,
    ctx: Ctx,
    request: ListTemplatesRequest,
) -> Result<ListTemplatesResponse, Error> {
    let mut violations = Violations::new();
    let page = Page::parse(&mut violations, &request, &ctx.scope());
    let page = violations.finish(page)?;
    let is_after = |template: &&Template| page.after_time().is_none_or(|after| position(template).0 > after);
    let mut templates: Vec<_> = notifications.templates.iter().filter(is_after).collect();
    let next_page_token = page.cut(&mut templates, |template| position(template));
    Ok(ListTemplatesResponse { templates: templates.into_iter().map(Into::into).collect(), next_page_token })
}

/// The position of a template in the list, in the form that page tokens need (a time and an id). The time is the template's
/// number in the proto, in seconds since 1970.
fn position(template: &Template) -> (DateTime<Utc>, Uuid) {
    let seconds = i64::from(template.number());
    (DateTime::from_timestamp(seconds, 0).unwrap_or_default(), Uuid::nil())
}

impl From<&Template> for wire::Template {
    fn from(template: &Template) -> Self {
        Self {
            template: template.name().to_owned(),
            version: template.version(),
            class: template.class_name(),
            sender: template.sender_name(),
            category: template.category_name(),
            occasion: template.occasion().to_owned(),
            samples: template.samples().map(str::to_owned).collect(),
        }
    }
}
