//! Reads JSON bodies into messages, strictly. One pass finds every mistake, with the full path of its field.

mod value;

use std::fmt::Write;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde::de::DeserializeSeed;

use self::value::Seed;
use super::{
    findings::Findings,
    route::Variable,
    scalar::{self, Expected},
};
use crate::problem::Problem;

/// The name of the whole body in a mistake, if it is not an object.
const WHOLE: &str = "body";

/// Reads a body that is a whole message.
pub(crate) fn message(
    descriptor: &MessageDescriptor,
    taken: &[Variable],
    json: &[u8],
    findings: &mut Findings,
) -> Result<DynamicMessage, Problem> {
    let kind = Kind::Message(descriptor.clone());
    match read(Expect::Single(&kind), None, taken, json, findings)? {
        Got::Value(Value::Message(message)) => Ok(message),
        got => {
            if matches!(got, Got::Null) {
                findings.add(WHOLE, "expected an object");
            }
            Ok(DynamicMessage::new(descriptor.clone()))
        }
    }
}

/// Reads a body that is one field of the request. `None` for `null`, and if the body has a mistake.
pub(crate) fn field(
    field: &FieldDescriptor,
    taken: &[Variable],
    json: &[u8],
    findings: &mut Findings,
) -> Result<Option<Value>, Problem> {
    let kind = field.kind();
    match read(Expect::of(field, &kind), Some(field), taken, json, findings)? {
        Got::Value(value) => Ok(Some(value)),
        Got::Null | Got::Bad => Ok(None),
    }
}

fn read(
    expect: Expect<'_>,
    root: Option<&FieldDescriptor>,
    taken: &[Variable],
    json: &[u8],
    findings: &mut Findings,
) -> Result<Got, Problem> {
    let mut reading =
        Reading { trail: root.cloned().map(Step::Field).into_iter().collect(), taken, findings };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let got = Seed { expect, reading: &mut reading }.deserialize(&mut deserializer);
    match got.and_then(|got| deserializer.end().map(|()| got)) {
        Ok(got) => Ok(got),
        // Only types that prost-reflect reads (Struct, Any) fail in this way. The trail still holds their path.
        Err(error) if error.is_data() => {
            reading.note("is not valid");
            Ok(Got::Bad)
        }
        Err(error) => Err(Problem::malformed(format!(
            "the body is not valid JSON (line {}, column {})",
            error.line(),
            error.column()
        ))),
    }
}

/// The result of reading one value.
enum Got {
    Value(Value),
    Null,
    /// The value is wrong, and the mistake was noted.
    Bad,
}

/// The expected kind of a value.
#[derive(Clone, Copy)]
enum Expect<'k> {
    Single(&'k Kind),
    List(&'k Kind),
    Map(&'k MessageDescriptor),
}

impl<'k> Expect<'k> {
    fn of(field: &FieldDescriptor, kind: &'k Kind) -> Self {
        match kind {
            Kind::Message(entry) if field.is_map() => Self::Map(entry),
            kind if field.is_list() => Self::List(kind),
            kind => Self::Single(kind),
        }
    }

    fn words(self) -> Expected {
        match self {
            Self::Single(kind) => scalar::expected(kind),
            Self::List(_) => "expected a list".into(),
            Self::Map(_) => "expected an object".into(),
        }
    }
}

/// One step of the path from the request to a value.
enum Step {
    Field(FieldDescriptor),
    Unknown(String),
    Index(usize),
    Key(String),
}

struct Reading<'f> {
    trail: Vec<Step>,
    taken: &'f [Variable],
    findings: &'f mut Findings,
}

impl Reading<'_> {
    fn note(&mut self, description: impl Into<Expected>) {
        if self.findings.is_full() {
            return;
        }
        let path = if self.trail.is_empty() { WHOLE.to_owned() } else { self.path() };
        self.findings.add(path, description);
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.trail {
            let dot = if path.is_empty() { "" } else { "." };
            // Writing to a string cannot fail.
            let _ = match step {
                Step::Field(field) => write!(path, "{dot}{}", field.name()),
                Step::Unknown(name) => write!(path, "{dot}{name}"),
                Step::Index(index) => write!(path, "[{index}]"),
                Step::Key(key) => write!(path, "[{key:?}]"),
            };
        }
        path
    }

    /// Whether the path of the URL sets the field that the trail leads to.
    fn is_taken(&self) -> bool {
        self.taken.iter().any(|variable| {
            variable.fields.len() == self.trail.len()
                && variable.fields.iter().zip(&self.trail).all(
                    |(taken, step)| matches!(step, Step::Field(field) if field.number() == taken.number()),
                )
        })
    }
}
