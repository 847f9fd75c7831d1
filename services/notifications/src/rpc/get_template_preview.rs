//! `GetTemplatePreview`: shows staff one part of a template's sample.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_notifications::v1::{GetTemplatePreviewRequest, get_template_preview_request::Format};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
};

use crate::{
    Notifications,
    domain::{locale::Locale, reference::TemplateName},
    error::Error,
};

pub(super) async fn get_template_preview(
    notifications: &Notifications,
    _: Ctx,
    request: GetTemplatePreviewRequest,
) -> Result<HttpBody, Error> {
    let Query { template, format, sample, locale } = request.try_into()?;
    let templates = &notifications.templates;
    let template = templates.get(template.as_str()).ok_or(Error::TemplateNotFound)?;
    let is_asked_for = |name: &&str| sample.is_empty() || *name == sample;
    let sample = template.samples().find(is_asked_for).ok_or(Error::TemplateNotFound)?;
    let rendered = templates.preview(template, sample, locale).map_err(Error::Render)?;
    let (content_type, part) = match format {
        Format::Unspecified | Format::Html => ("text/html; charset=utf-8", rendered.html),
        Format::Text => {
            ("text/plain; charset=utf-8", format!("Subject: {}\n\n{}", rendered.subject, rendered.text))
        }
    };
    Ok(HttpBody { content_type: content_type.to_owned(), data: part.into_bytes(), extensions: Vec::new() })
}

/// A valid request.
struct Query {
    template: TemplateName,
    format: Format,
    /// Empty: the template's first one.
    sample: String,
    locale: &'static Locale,
}

impl TryFrom<GetTemplatePreviewRequest> for Query {
    type Error = Invalid;

    fn try_from(request: GetTemplatePreviewRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let template = violations.field("template", &request.template);
        let format = Format::try_from(request.format).ok();
        if format.is_none() {
            violations.add("format", "expected a format of previews");
        }
        let (sample, locale) = (request.sample, Locale::of(&request.locale));
        violations.finish(template.zip(format).map(|(template, format)| Self {
            template,
            format,
            sample,
            locale,
        }))
    }
}
