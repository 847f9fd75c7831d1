//! The fields of templates: which values each kind accepts, and how a mail shows them. Values are formatted here, once, so that
//! the HTML and the text are the same.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use levqor_proto_base::r#type::v1::Money;
use levqor_proto_mail::v1::Kind;
use levqor_runtime::error::Violations;
use minijinja::value::Value;
use prost_reflect::{DynamicMessage, ExtensionDescriptor, FieldDescriptor, Value as Wire};

use super::{
    link::Link,
    locale::Locale,
    money::Amount,
    person_name::PersonName,
    reference::Id,
    text::{Line, Paragraphs},
};

/// One field of a template.
pub(super) struct Field {
    pub(super) descriptor: FieldDescriptor,
    pub(super) kind: Kind,
    /// The fields of a record; empty for other kinds.
    pub(super) fields: Vec<Self>,
}

/// Where the value of a field is, and for whom it is shown.
#[derive(Clone, Copy)]
struct At<'a> {
    locale: &'a Locale,
    path: &'a str,
}

impl Field {
    /// None if the field has no kind, or if its type does not fit its kind.
    pub(super) fn of(descriptor: FieldDescriptor, option: &ExtensionDescriptor) -> Option<Self> {
        let kind = Kind::try_from(descriptor.options().get_extension(option).as_enum_number()?).ok()?;
        let expected = match kind {
            Kind::Unspecified => return None,
            Kind::Line | Kind::Text | Kind::PersonName | Kind::Id | Kind::Link => "string",
            Kind::Money => "levqor.type.v1.Money",
            Kind::Count => "int32",
            Kind::Flag => "bool",
            Kind::Date | Kind::DateTime => "google.protobuf.Timestamp",
            Kind::Duration => "google.protobuf.Duration",
            Kind::Record => {
                let record = descriptor.kind().as_message()?.clone();
                let fields = record.fields().map(|field| Self::of(field, option)).collect::<Option<_>>()?;
                return (!descriptor.is_map()).then_some(Self { descriptor, kind, fields });
            }
        };
        // `Debug` prints a proto type as a proto file spells it.
        let fits = format!("{:?}", descriptor.kind()) == expected && !descriptor.is_map();
        fits.then_some(Self { descriptor, kind, fields: Vec::new() })
    }

    /// The name of the field in the message and in the template.
    pub(super) fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// The value as a template sees it. An invalid value is a violation that names the expected form. `owner` is the path of the
    /// message that has the field.
    pub(super) fn read(
        &self,
        data: &DynamicMessage,
        owner: &str,
        locale: &Locale,
        violations: &mut Violations,
    ) -> Option<Value> {
        let path = format!("{owner}.{}", self.name());
        let is_there = data.has_field(&self.descriptor);
        if !is_there && self.descriptor.field_descriptor_proto().proto3_optional() {
            return Some(Value::from(()));
        }
        if !is_there && self.descriptor.kind().as_message().is_some() && !self.descriptor.is_list() {
            violations.add(&path, format!("expected {}", expected(self.kind)));
            return None;
        }
        let value = data.get_field(&self.descriptor);
        let Some(list) = value.as_list() else {
            return self.shown(&value, At { locale, path: &path }, violations);
        };
        let mut values = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let path = format!("{path}[{index}]");
            values.push(self.shown(value, At { locale, path: &path }, violations));
        }
        values.into_iter().collect::<Option<Vec<_>>>().map(Value::from)
    }

    /// One value as a template sees it.
    fn shown(&self, value: &Wire, at: At<'_>, violations: &mut Violations) -> Option<Value> {
        match self.kind {
            Kind::Record => record(&self.fields, value, at, violations),
            kind => shown(kind, value, at, violations),
        }
    }
}

/// The values of all fields of a message by their names. It reads every field before it fails, so that it reports all violations
/// at once.
pub(super) fn values(
    fields: &[Field],
    data: &DynamicMessage,
    owner: &str,
    locale: &Locale,
    violations: &mut Violations,
) -> Option<BTreeMap<String, Value>> {
    let mut values = Vec::with_capacity(fields.len());
    for field in fields {
        let value = field.read(data, owner, locale, violations);
        values.push(value.map(|value| (field.name().to_owned(), value)));
    }
    values.into_iter().collect()
}

/// A record as a template sees it: its fields by name.
fn record(fields: &[Field], value: &Wire, at: At<'_>, violations: &mut Violations) -> Option<Value> {
    values(fields, value.as_message()?, at.path, at.locale, violations).map(Value::from)
}

/// The expected form of a kind, for the violation.
const fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Unspecified | Kind::Flag | Kind::Record => "a value",
        Kind::Line => Line::EXPECTED,
        Kind::Text => Paragraphs::EXPECTED,
        Kind::PersonName => "a name",
        Kind::Id => Id::EXPECTED,
        Kind::Link => Link::EXPECTED,
        Kind::Money => "an amount",
        Kind::Count => "0 or more",
        Kind::Date | Kind::DateTime => "an instant",
        Kind::Duration => "a minute or more",
    }
}

/// One value of a kind as a template sees it.
fn shown(kind: Kind, value: &Wire, at: At<'_>, violations: &mut Violations) -> Option<Value> {
    let text = value.as_str().unwrap_or_default();
    let shown = match kind {
        Kind::Unspecified | Kind::Record => None,
        Kind::Line => text.parse::<Line>().ok().map(|line| Value::from(line.as_str())),
        Kind::Text => text.parse::<Paragraphs>().ok().map(|text| text.iter().collect::<Value>()),
        Kind::PersonName => Some(Value::from(PersonName::of(text).map(|name| name.to_string()))),
        Kind::Id => text.parse::<Id>().ok().map(|id| Value::from(id.as_str())),
        Kind::Link => text.parse::<Link>().ok().map(|link| Value::from(link.as_str())),
        Kind::Money => return money(value, at, violations),
        Kind::Count => value.as_i32().filter(|count| *count >= 0).map(Value::from),
        Kind::Flag => value.as_bool().map(Value::from),
        Kind::Date => instant(value).map(|instant| Value::from(at.locale.date(instant))),
        Kind::DateTime => instant(value).map(|instant| Value::from(at.locale.date_time(instant))),
        Kind::Duration => minutes(value).map(|minutes| Value::from(at.locale.duration(minutes))),
    };
    if shown.is_none() {
        violations.add(at.path, format!("expected {}", expected(kind)));
    }
    shown
}

/// The amount. None if it is 0: there is nothing to pay.
fn money(value: &Wire, at: At<'_>, violations: &mut Violations) -> Option<Value> {
    let money: Money = value.as_message()?.transcode_to().ok()?;
    let currency = violations.parse(
        &format!("{}.currency_code", at.path),
        &money.currency_code,
        "a currency's code of three upper case letters",
    );
    let minor_units = u64::try_from(money.minor_units).ok();
    if minor_units.is_none() {
        violations.add(&format!("{}.minor_units", at.path), "expected 0 or more");
    }
    let amount = Amount { currency: currency?, minor_units: minor_units? };
    Some(Value::from((amount.minor_units > 0).then(|| amount.shown(at.locale))))
}

fn instant(value: &Wire) -> Option<DateTime<Utc>> {
    let instant: prost_types::Timestamp = value.as_message()?.transcode_to().ok()?;
    DateTime::from_timestamp(instant.seconds, u32::try_from(instant.nanos).ok()?)
}

/// The whole minutes of a duration. None if there are none.
fn minutes(value: &Wire) -> Option<u64> {
    let duration: prost_types::Duration = value.as_message()?.transcode_to().ok()?;
    u64::try_from(duration.seconds / 60).ok().filter(|minutes| *minutes > 0)
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_reflect::DescriptorPool;

    use super::*;
    use crate::domain::locale::EN_GB;

    /// The value as a template sees it, and the fields of the violations.
    fn read(kind: Kind, value: &Wire) -> (Option<String>, Vec<String>) {
        let mut violations = Violations::new();
        let at = At { locale: &EN_GB, path: "field" };
        let shown = shown(kind, value, at, &mut violations).map(|value| value.to_string());
        let complaints = violations.finish(None::<()>).map_or_else(|invalid| invalid.0, |()| Vec::new());
        (shown, complaints.into_iter().map(|violation| violation.field).collect())
    }

    fn text(kind: Kind, text: &str) -> Option<String> {
        let (shown, complaints) = read(kind, &Wire::String(text.to_owned()));
        assert_eq!(complaints, if shown.is_some() { &[][..] } else { &["field"] }, "{text:?}");
        shown
    }

    /// As `read`, with a message of this full name as the value.
    fn message(kind: Kind, name: &str, message: &impl Message) -> (Option<String>, Vec<String>) {
        let mail = DescriptorPool::decode(levqor_proto_mail::FILE_DESCRIPTOR_SET).expect("descriptors");
        let google = DescriptorPool::global();
        let descriptor = mail.get_message_by_name(name).or_else(|| google.get_message_by_name(name));
        let mut dynamic = DynamicMessage::new(descriptor.expect("a message"));
        dynamic.transcode_from(message).expect("the same message");
        read(kind, &Wire::Message(dynamic))
    }

    #[test]
    fn a_line_that_could_begin_a_header_is_refused() {
        assert_eq!(text(Kind::Line, " Starter  plan ").as_deref(), Some("Starter plan"));
        for hostile in ["Starter\r\nBcc: x@example.com", "a\nb", "a\rb", "a\u{2028}b", "a\u{85}b", "a\0b", ""]
        {
            assert_eq!(text(Kind::Line, hostile), None, "{hostile:?}");
        }
    }

    #[test]
    fn a_text_is_a_list_of_paragraphs() {
        assert_eq!(text(Kind::Text, "One\n\n  two \r\nthree\n").as_deref(), Some("['One', 'two', 'three']"));
        assert_eq!(text(Kind::Text, " \n "), None);
    }

    #[test]
    fn a_name_is_never_refused() {
        assert_eq!(text(Kind::PersonName, "ada\nevil.example").as_deref(), Some("ada evil. example"));
        assert_eq!(text(Kind::PersonName, "").as_deref(), Some("None"));
    }

    #[test]
    fn ids_and_links_fit_into_a_mail() {
        assert_eq!(text(Kind::Id, "0190-b2_c4").as_deref(), Some("0190-b2_c4"));
        assert_eq!(text(Kind::Id, "a&b"), None);
        let link = "https://invoice.example/i?a=b&c=%20";
        assert_eq!(text(Kind::Link, link).as_deref(), Some(link));
        assert_eq!(text(Kind::Link, "javascript:alert(1)"), None);
    }

    #[test]
    fn an_amount_reads_as_customers_know_it_and_nothing_is_none() {
        let money = |code: &str, minor_units| {
            message(
                Kind::Money,
                "levqor.type.v1.Money",
                &Money { currency_code: code.to_owned(), minor_units },
            )
        };
        assert_eq!(money("GBP", 123_450), (Some("£1,234.50".to_owned()), vec![]));
        assert_eq!(money("GBP", 0), (Some("None".to_owned()), vec![]));
        let both = vec!["field.currency_code".to_owned(), "field.minor_units".to_owned()];
        assert_eq!(money("gbp", -1), (None, both));
    }

    #[test]
    fn counts_are_not_negative_and_flags_are_booleans() {
        assert_eq!(read(Kind::Count, &Wire::I32(3)).0.as_deref(), Some("3"));
        assert_eq!(read(Kind::Count, &Wire::I32(-1)), (None, vec!["field".to_owned()]));
        assert_eq!(read(Kind::Flag, &Wire::Bool(true)).0.as_deref(), Some("True"));
    }

    #[test]
    fn a_date_is_the_one_in_london() {
        let date = |seconds| {
            message(Kind::Date, "google.protobuf.Timestamp", &prost_types::Timestamp { seconds, nanos: 0 }).0
        };
        // 23:30 UTC is the next day in London in summer, and the same day in winter.
        assert_eq!(date(1_782_862_200).as_deref(), Some("1 July 2026"));
        assert_eq!(date(1_796_513_400).as_deref(), Some("5 December 2026"));
        assert_eq!(date(i64::MAX), None);
    }

    #[test]
    fn a_time_has_its_zone() {
        let instant = prost_types::Timestamp { seconds: 1_782_862_200, nanos: 0 };
        let (shown, _) = message(Kind::DateTime, "google.protobuf.Timestamp", &instant);
        assert_eq!(shown.as_deref(), Some("1 July 2026, 00:30 BST"));
    }

    #[test]
    fn a_duration_is_in_words() {
        let duration = |seconds| {
            message(Kind::Duration, "google.protobuf.Duration", &prost_types::Duration { seconds, nanos: 0 })
                .0
        };
        assert_eq!(duration(600).as_deref(), Some("10 minutes"));
        for seconds in [0, 59, -60] {
            assert_eq!(duration(seconds), None);
        }
    }
}
