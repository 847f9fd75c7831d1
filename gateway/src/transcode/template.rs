//! Path templates of `google.api.http`: literals, `*`, `**`, `{a.b}`, `{a=x/*/y/**}` and a closing `:verb`.

use std::{borrow::Cow, cmp::Ordering};

use super::escape::{self, NotDecodable};

/// A path template, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    segments: Vec<Segment>,
    variables: Vec<Variable>,
    verb: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    // The order of the variants is the order of preference: a more specific segment is tried first.
    Literal(String),
    One,
    Rest,
}

/// The part of a path that is bound to a field of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// The field's path in the request message.
    pub field_path: Vec<String>,
    start: usize,
    end: usize,
}

/// The text is not a path template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Templates are absolute.
    #[error("must start with a slash")]
    NoLeadingSlash,
    /// Two slashes in a row, or one at the end.
    #[error("has an empty segment")]
    EmptySegment,
    /// `{` without `}`, or one inside another.
    #[error("has unbalanced braces")]
    UnbalancedBraces,
    /// Nothing may follow `**` but the verb.
    #[error("has a segment after `**`")]
    RestNotLast,
    /// A variable's name must be a field path.
    #[error("has a variable whose name is not a field path")]
    BadVariable,
    /// A literal contains a character that no path segment has.
    #[error("has a literal with a reserved character")]
    BadLiteral,
}

impl Template {
    /// Parses a template.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let text = text.strip_prefix('/').ok_or(TemplateError::NoLeadingSlash)?;
        let (body, verb) = match text.rsplit_once(':') {
            Some((body, verb)) if !verb.contains(['}', '/']) => (body, Some(literal(verb)?)),
            _ => (text, None),
        };
        let mut template = Self { segments: Vec::new(), variables: Vec::new(), verb };
        let mut rest = Some(body).filter(|body| !body.is_empty());
        while let Some(text) = rest {
            rest = if let Some(inside) = text.strip_prefix('{') {
                let (variable, behind) = inside.split_once('}').ok_or(TemplateError::UnbalancedBraces)?;
                template.push_variable(variable)?;
                match behind.strip_prefix('/') {
                    Some(behind) => Some(behind),
                    None if behind.is_empty() => None,
                    None => return Err(TemplateError::UnbalancedBraces),
                }
            } else {
                let (segment, behind) = text.split_once('/').map_or((text, None), |(s, b)| (s, Some(b)));
                template.push_segment(segment)?;
                behind
            };
        }
        let last = template.segments.len().saturating_sub(1);
        if template.segments.iter().take(last).any(|segment| *segment == Segment::Rest) {
            return Err(TemplateError::RestNotLast);
        }
        Ok(template)
    }

    fn push_variable(&mut self, text: &str) -> Result<(), TemplateError> {
        let (name, pattern) = text.split_once('=').unwrap_or((text, "*"));
        let field_path: Vec<String> = name.split('.').map(str::to_owned).collect();
        let is_ident = |part: &String| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if !field_path.iter().all(is_ident) {
            return Err(TemplateError::BadVariable);
        }
        let start = self.segments.len();
        for segment in pattern.split('/') {
            self.push_segment(segment)?;
        }
        self.variables.push(Variable { field_path, start, end: self.segments.len() });
        Ok(())
    }

    fn push_segment(&mut self, text: &str) -> Result<(), TemplateError> {
        self.segments.push(match text {
            "" => return Err(TemplateError::EmptySegment),
            "*" => Segment::One,
            "**" => Segment::Rest,
            text => Segment::Literal(literal(text)?),
        });
        Ok(())
    }

    /// The closing `:verb`, without the colon.
    #[must_use]
    pub(crate) fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }

    /// The variables, in the order in which they are written.
    #[must_use]
    pub(crate) fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Whether the template matches a path, which is split at its slashes and has no verb.
    #[must_use]
    pub(crate) fn matches(&self, path: &[&str]) -> bool {
        let open = self.segments.last() == Some(&Segment::Rest);
        let fixed = self.segments.len() - usize::from(open);
        let fits = if open { path.len() >= fixed } else { path.len() == fixed };
        fits && self.segments.iter().zip(path).all(|(segment, part)| match segment {
            Segment::Literal(literal) => {
                literal == part
                    || (part.contains('%') && escape::decode(part).is_ok_and(|part| *part == *literal))
            }
            Segment::One => !part.is_empty(),
            Segment::Rest => true,
        })
    }

    /// The value of a variable in a path that matches. A variable of one segment is decoded completely. In a
    /// variable of several segments an encoded slash stays encoded: decoded, it would look like a separator.
    pub(crate) fn value(&self, variable: &Variable, path: &[&str]) -> Result<String, NotDecodable> {
        let parts = match self.segments.get(variable.start..variable.end) {
            Some([Segment::One]) => {
                return escape::decode(path.get(variable.start).copied().unwrap_or_default())
                    .map(Cow::into_owned);
            }
            Some([.., Segment::Rest]) => path.get(variable.start..).unwrap_or_default(),
            _ => path.get(variable.start..variable.end).unwrap_or_default(),
        };
        let mut value = String::new();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                value.push('/');
            }
            value.push_str(&escape::decode_keeping_slashes(part)?);
        }
        Ok(value)
    }

    /// Orders templates so that the first match is the right one: literals before `*` before `**`, from the left.
    #[must_use]
    pub(crate) fn by_preference(&self, other: &Self) -> Ordering {
        self.segments.cmp(&other.segments).then_with(|| self.verb.cmp(&other.verb))
    }

    /// Whether the two match the same paths.
    #[must_use]
    pub(crate) fn same_shape(&self, other: &Self) -> bool {
        self.segments == other.segments && self.verb == other.verb
    }
}

fn literal(text: &str) -> Result<String, TemplateError> {
    let reserved = |c: char| "{}*=?#%:".contains(c) || c.is_whitespace() || c.is_control();
    if text.is_empty() || text.contains(reserved) {
        Err(TemplateError::BadLiteral)
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(template: &str, path: &[&str]) -> Option<Vec<String>> {
        let template = Template::parse(template).expect(template);
        template.matches(path).then(|| {
            let values = template.variables().iter().map(|variable| template.value(variable, path));
            values.collect::<Result<_, _>>().expect("decodable")
        })
    }

    #[test]
    fn a_variable_takes_the_segments_of_its_pattern() {
        assert_eq!(values("/v1/orders/{order_id}", &["v1", "orders", "o1"]), Some(vec!["o1".to_owned()]));
        assert_eq!(values("/v1/orders/{order_id}", &["v1", "orders", ""]), None);
        assert_eq!(values("/v1/orders/{order_id}", &["v1", "orders", "o1", "x"]), None);
        let nested = values("/v1/{name=shops/*/items/*}/{a.b}", &["v1", "shops", "s", "items", "i", "c"]);
        assert_eq!(nested, Some(vec!["shops/s/items/i".to_owned(), "c".to_owned()]));
        assert_eq!(values("/v1/{path=files/**}", &["v1", "files"]), Some(vec!["files".to_owned()]));
        assert_eq!(values("/v1/{path=**}", &["v1", "a", "b"]), Some(vec!["a/b".to_owned()]));
        assert_eq!(values("/v1/*/x", &["v1", "anything", "x"]), Some(Vec::new()));
        assert_eq!(values("/", &[]), Some(Vec::new()));
    }

    #[test]
    fn an_encoded_slash_is_part_of_a_value_and_never_a_separator() {
        assert_eq!(values("/v1/{id}", &["v1", "a%2Fb"]), Some(vec!["a/b".to_owned()]));
        assert_eq!(values("/v1/{id=**}", &["v1", "a%2Fb", "c%20d"]), Some(vec!["a%2Fb/c d".to_owned()]));
        assert_eq!(values("/v1/orders", &["v1", "%6Frders"]), Some(Vec::new()));
    }

    #[test]
    fn a_verb_is_not_part_of_the_last_segment() {
        let template = Template::parse("/v1/events/{id}:replay").expect("template");
        assert_eq!((template.verb(), template.variables().len()), (Some("replay"), 1));
        assert_eq!(Template::parse("/v1/{name=a/**}:undo").expect("template").verb(), Some("undo"));
    }

    #[test]
    fn an_invalid_template_is_refused() {
        for (text, error) in [
            ("", TemplateError::NoLeadingSlash),
            ("v1", TemplateError::NoLeadingSlash),
            ("/v1//a", TemplateError::EmptySegment),
            ("/v1/", TemplateError::EmptySegment),
            ("/v1/{a", TemplateError::UnbalancedBraces),
            ("/v1/{a}b", TemplateError::UnbalancedBraces),
            ("/v1/{}", TemplateError::BadVariable),
            ("/v1/{a.}", TemplateError::BadVariable),
            ("/v1/{a=}", TemplateError::EmptySegment),
            ("/v1/**/b", TemplateError::RestNotLast),
            ("/v1/{a=**}/b", TemplateError::RestNotLast),
            ("/v1/a}", TemplateError::BadLiteral),
            ("/v1/a:", TemplateError::BadLiteral),
        ] {
            assert_eq!(Template::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn literals_come_before_stars() {
        let mut templates =
            ["/v1/{p=**}", "/v1/{id}", "/v1/special"].map(|text| Template::parse(text).expect(text));
        templates.sort_by(Template::by_preference);
        let verbless: Vec<_> =
            templates.iter().map(|template| template.matches(&["v1", "special"])).collect();
        assert_eq!(verbless, [true; 3]);
        assert_eq!(templates[0].variables().len(), 0);
        assert!(templates[1].matches(&["v1", "x"]) && !templates[1].matches(&["v1", "x", "y"]));
    }

    proptest! {
        #[test]
        fn no_template_and_no_path_cause_a_panic(
            template in prop_oneof!["[/{}*a-c.=:%]{0,24}", any::<String>()],
            path in prop_oneof!["[/a-c%2F:.]{0,24}", any::<String>()],
        ) {
            if let Ok(template) = Template::parse(&template) {
                let segments: Vec<_> = path.split('/').collect();
                if template.matches(&segments) {
                    for variable in template.variables() {
                        let _ = template.value(variable, &segments);
                    }
                }
            }
        }

        #[test]
        fn a_value_that_was_encoded_into_a_path_is_decoded_from_it(value in any::<String>().prop_filter("not empty", |v| !v.is_empty())) {
            let template = Template::parse("/v1/{id}").expect("template");
            let encoded = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC).to_string();
            let segments = ["v1", encoded.as_str()];
            prop_assert!(template.matches(&segments));
            prop_assert_eq!(template.value(&template.variables()[0], &segments), Ok(value));
        }
    }
}
