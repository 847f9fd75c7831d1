//! The forms of the pages, as browsers post them.

use levqor_proto_base::google::api::HttpBody;
use levqor_runtime::error::Invalid;
use minijinja::{Value, context};

/// The fields of a form.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form. One without fields has no bytes, and need not say its type.
    pub(crate) fn read(body: Option<&HttpBody>) -> Result<Self, Invalid> {
        let kind = body.map(|body| body.content_type.as_str()).unwrap_or_default();
        let data = body.map(|body| body.data.as_slice()).unwrap_or_default();
        if !data.is_empty() && !kind.starts_with("application/x-www-form-urlencoded") {
            return Err(Invalid::of("form", "expected application/x-www-form-urlencoded"));
        }
        Ok(Self(form_urlencoded::parse(data).into_owned().collect()))
    }

    /// The first value of a field. Empty if the form has no such field.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.texts(name).next().unwrap_or_default()
    }

    /// All values of a field, such as those of the boxes that are ticked.
    fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// A visitor's input in one of the forms of the privacy page.
#[derive(Default)]
pub(crate) struct Entered {
    pub(crate) email: String,
    pub(crate) right: String,
    pub(crate) objection_scope: String,
    pub(crate) objection_ends: bool,
    pub(crate) withdrawn: Vec<String>,
}

impl From<&Form> for Entered {
    fn from(form: &Form) -> Self {
        Self {
            email: form.text("email").to_owned(),
            right: form.text("right").to_owned(),
            objection_scope: form.text("objection_scope").to_owned(),
            objection_ends: form.text("objection_ends") == "true",
            withdrawn: form.texts("withdrawn").map(str::to_owned).collect(),
        }
    }
}

impl From<&Entered> for Value {
    fn from(entered: &Entered) -> Self {
        context! {
            email => &entered.email,
            right => &entered.right,
            objection_scope => &entered.objection_scope,
            objection_ends => entered.objection_ends,
            withdrawn => &entered.withdrawn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(content_type: &str, data: &str) -> HttpBody {
        HttpBody { content_type: content_type.to_owned(), data: data.into(), extensions: Vec::new() }
    }

    #[test]
    fn fields_are_decoded_and_those_that_are_missing_are_empty() {
        let body =
            body("application/x-www-form-urlencoded; charset=utf-8", "email=a%2Bb%40c.de&code=1+2&code=3");
        let form = Form::read(Some(&body)).expect("a form");
        assert_eq!([form.text("email"), form.text("code"), form.text("right")], ["a+b@c.de", "1 2", ""]);
        assert_eq!(Form::read(None).expect("a form").text("email"), "");
    }

    #[test]
    fn every_box_that_is_ticked_counts_and_none_is_ticked_in_advance() {
        let body = body("application/x-www-form-urlencoded", "withdrawn=a&email=b&withdrawn=c");
        let entered = Entered::from(&Form::read(Some(&body)).expect("a form"));
        assert_eq!(entered.withdrawn, ["a", "c"]);
        assert!(!entered.objection_ends && entered.objection_scope.is_empty());
    }

    #[test]
    fn another_type_is_no_form_unless_it_is_empty() {
        assert!(Form::read(Some(&body("multipart/form-data; boundary=x", "--x"))).is_err());
        assert!(Form::read(Some(&body("", ""))).is_ok());
    }
}
