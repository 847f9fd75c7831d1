//! What the descriptors say of the RPCs that people call: their routes, and where their examples are found. A new RPC that reads
//! or lists is so covered by the journeys without a line of its own, if the mesh here has rows for it.

use levqor_runtime::access::{Method, Methods};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, Value};

use crate::{
    fakes::mail::webhooks::{Webhook, event},
    harness::{Answer, Mesh},
    stripe::paid_checkout,
};

/// Every RPC.
pub(super) fn methods() -> &'static Methods {
    levqor_gateway::methods()
}

/// A mesh with two rows or more in every list but that of deferred calls, which are gone once they were made: one of Ada's and one
/// of Bob's.
pub(super) async fn mesh_with_rows() -> Mesh {
    let mesh = Mesh::start().await;
    for (name, buyer) in [("1", "ada"), ("2", "bob")] {
        assert_eq!(mesh.deliver(&paid_checkout(name, buyer)).await.status, 200);
        let sent = event("email.sent", &format!("em_{name}"), 0, &serde_json::Value::Null);
        assert_eq!(mesh.tell(&Webhook::of(&sent.to_string())).await.status, 200);
    }
    mesh.settle().await;
    mesh
}

fn extension(options: &prost_reflect::DynamicMessage, name: &str) -> Option<Value> {
    let extension = methods().pool().get_extension_by_name(name).expect("the option");
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

/// The REST route of an RPC: the verb, and the path with its variables.
pub(super) fn route(method: &Method) -> Option<(reqwest::Method, String)> {
    let Value::Message(rule) = extension(&method.descriptor.options(), "google.api.http")? else {
        panic!("a rule")
    };
    ["get", "post", "put", "patch", "delete"].into_iter().find_map(|verb| {
        let path = rule.get_field_by_name(verb)?.as_str()?.to_owned();
        (!path.is_empty()).then(|| (verb.to_uppercase().parse().expect("a verb"), path))
    })
}

/// A path with its variables filled in: deferred calls are billing's, everything else has this id.
pub(super) fn fill(path: &str, id: &str) -> String {
    let mut filled = String::new();
    for part in path.split_inclusive(['{', '}']) {
        match part.strip_suffix('}') {
            Some("service") => filled.push_str("billing"),
            Some(_) => filled.push_str(id),
            None => filled.push_str(part.trim_end_matches('{')),
        }
    }
    filled
}

/// An RPC that lists.
pub(super) struct List {
    /// The path of the collection.
    pub(super) path: String,
    /// The field of the answer that has the rows.
    pub(super) rows: FieldDescriptor,
    /// The field of a row that has its id.
    pub(super) id: String,
    request: MessageDescriptor,
    row: MessageDescriptor,
}

/// Every RPC that lists.
pub(super) fn lists() -> impl Iterator<Item = List> {
    methods().iter().filter_map(List::of)
}

impl List {
    /// None where the RPC does not list.
    pub(super) fn of(method: &Method) -> Option<Self> {
        let answer = method.descriptor.output();
        answer.get_field_by_name("next_page_token")?;
        let rows = answer.fields().find(FieldDescriptor::is_list).expect("rows");
        let Kind::Message(row) = rows.kind() else { panic!("rows are messages") };
        let (_, path) = route(method).expect("a list has a route");
        let id = row.get_field(1).expect("a first field").name().to_owned();
        Some(Self { path: fill(&path, ""), rows, id, request: method.descriptor.input(), row })
    }

    /// The list that shows what an RPC is about: itself, or that of the collection which its path begins with.
    pub(super) fn about(method: &Method) -> Self {
        Self::of(method).unwrap_or_else(|| {
            let (_, path) = route(method).unwrap_or_else(|| panic!("{} has no route", method.rpc));
            let collection = path.split("/{").next().unwrap_or_default();
            lists()
                .find(|list| list.path == collection)
                .unwrap_or_else(|| panic!("nothing lists {collection}"))
        })
    }

    /// The filter by a mail address, if there is one.
    pub(super) fn by_address(&self) -> Option<FieldDescriptor> {
        let category = |field: &FieldDescriptor| {
            let personal = extension(&field.options(), "levqor.options.v1.personal_data")?;
            personal.as_message()?.get_field_by_name("category")?.as_enum_number()
        };
        self.request.fields().find(|field| category(field) == Some(1))
    }

    /// The path of the rows of somebody at example.com; of all rows where the list cannot be filtered so.
    pub(super) fn path_of(&self, name: &str) -> String {
        let filter = self.by_address().map(|field| format!("?{}={name}@example.com", field.name()));
        self.path.clone() + &filter.unwrap_or_default()
    }

    /// A filter by a state that the first row of an answer has, or, where there is no row, by the last state there is; none where
    /// the list cannot be filtered by a state.
    pub(super) fn by_state_of(&self, answer: &Answer) -> Option<String> {
        self.request.fields().find_map(|field| {
            let Kind::Enum(states) = field.kind() else { return None };
            self.row.get_field_by_name(field.name())?;
            let of_first = self.of_first(answer, field.name());
            let last = states.values().last()?;
            Some(format!("{}={}", field.name(), of_first.unwrap_or(last.name())))
        })
    }

    /// The id of an answer's first row.
    pub(super) fn first_id(&self, answer: &Answer) -> String {
        let id = self.of_first(answer, &self.id);
        id.unwrap_or_else(|| panic!("{}: give mesh_with_rows a row: {answer:?}", self.path)).to_owned()
    }

    fn of_first<'a>(&self, answer: &'a Answer, field: &str) -> Option<&'a str> {
        Some(answer.str(&format!("/{}/0/{field}", self.rows.name()))).filter(|text| !text.is_empty())
    }
}
