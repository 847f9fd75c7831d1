//! The RPCs that people call, from the descriptors: their routes, and the lists that have example ids for them. So the journeys
//! cover a new RPC without code of its own. Its fixture has the facts that they cannot know.

use levqor_runtime::access::{Method, Methods};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, Value};

use super::fixtures::{self, Fixture, Turn};
use crate::{
    fakes::mail::webhooks::{Webhook, event},
    harness::{Answer, Mesh},
    stripe::paid_checkout,
};

/// Every RPC.
pub(super) fn methods() -> &'static Methods {
    levqor_gateway::methods()
}

/// A mesh with at least two rows in every list: one of Ada's and one of Bob's. The list of deferred calls may be empty, because a
/// call that was made is deleted.
pub(super) async fn mesh_with_rows() -> Mesh {
    let mesh = Mesh::start().await;
    for (name, buyer) in [("1", "ada"), ("2", "bob")] {
        assert_eq!(mesh.deliver(&paid_checkout(name, buyer)).await.status, 200);
        let sent = event("email.sent", &format!("em_{name}"), 0, &serde_json::Value::Null);
        let refund = serde_json::json!({
            "id": format!("re_{name}"), "object": "refund", "amount": 100, "currency": "gbp", "status": "succeeded",
            "payment_intent": format!("pi_{name}"), "livemode": false,
        });
        let refund = crate::stripe::event(&format!("refund_{name}"), "refund.created", &refund);
        assert_eq!(mesh.deliver(&refund).await.status, 200);
        assert_eq!(mesh.tell(&Webhook::of(&sent.to_string())).await.status, 200);
    }
    mesh.settle().await;
    // So that there are two versions of the kind that the list of documents begins with.
    let cookies = serde_json::json!({"kind": "LEGAL_DOCUMENT_KIND_COOKIES", "version": "2", "changes": ["None."], "text": "# Cookies"});
    assert_eq!(mesh.staff().post("/v1/legal-documents", cookies).await.status, 200);
    let form_token = mesh.anon().get("/v1/form-token").await.str("/form_token").to_owned();
    mesh.advance(chrono::TimeDelta::seconds(5)).await;
    let mut files: Vec<_> = lists().map(|list| list.file).collect();
    files.sort();
    let fixtures: Vec<_> = files.iter().map(|file| Fixture::read(file)).collect();
    for name in ["ada", "bob"] {
        for turn in [Turn::Early, Turn::Middle, Turn::Late] {
            mesh.settle().await;
            for fixture in fixtures.iter().filter(|fixture| fixture.turn == turn) {
                fixture.make_row(&mesh, name, &form_token).await;
            }
        }
    }
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

/// The id of a new file of this person's order, or ticket, as the path of an RPC wants it.
pub(super) async fn file_of(mesh: &Mesh, name: &str, path: &str, id: &str) -> String {
    let content = format!("{name}@example.com").into_bytes();
    if path.starts_with("/v1/tickets/") {
        return ticket_file(mesh, id, &content).await;
    }
    let file = mesh.customer(name).upload(&format!("/v1/orders/{id}/files?name=a.txt"), content).await;
    assert_eq!(file.status, 200, "{}", file.text);
    file.str("/file/file_id").to_owned()
}

/// The id of a file of the first message of a ticket, as if it had come by mail.
async fn ticket_file(mesh: &Mesh, ticket_id: &str, content: &[u8]) -> String {
    let sql = "WITH mail AS (
                   INSERT INTO inbound_mails (inbound_mail_id, verdict, ticket_id, create_time)
                   VALUES (gen_random_uuid(), 'ACCEPTED', $1::uuid, runtime.now()) RETURNING inbound_mail_id
               )
               INSERT INTO ticket_files (file_id, message_id, inbound_mail_id, attachment_id, place, name, state, content_type,
                                         size_bytes, create_time)
               SELECT gen_random_uuid(), (SELECT message_id FROM ticket_messages WHERE ticket_id = $1::uuid LIMIT 1),
                      inbound_mail_id, '1', 0, 'a.txt', 'STORED', 'text/plain', 1, runtime.now() FROM mail
               RETURNING file_id::text";
    let file_id: String =
        sqlx::query_scalar(sql).bind(ticket_id).fetch_one(mesh.support_db().pool()).await.expect("a file");
    let folder = std::path::Path::new(mesh.files()).join("tickets");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(&file_id), content).expect("written");
    file_id
}

/// An RPC that lists.
pub(super) struct List {
    /// The path of the collection.
    pub(super) path: String,
    /// The file of the list's fixture.
    pub(super) file: String,
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
    /// `None` if the RPC is not a list.
    pub(super) fn of(method: &Method) -> Option<Self> {
        let answer = method.descriptor.output();
        answer.get_field_by_name("next_page_token")?;
        let rows = answer.fields().find(FieldDescriptor::is_list).expect("rows");
        let Kind::Message(row) = rows.kind() else { panic!("rows are messages") };
        let (_, path) = route(method).expect("a list has a route");
        let id = row.get_field(1).expect("a first field").name().to_owned();
        let (path, file) = (fill(&path, ""), fixtures::file(method));
        Some(Self { path, file, rows, id, request: method.descriptor.input(), row })
    }

    /// The list that has ids for an RPC: the RPC itself if it is a list, otherwise the list of the collection that its path
    /// begins with.
    pub(super) fn about(method: &Method) -> Self {
        Self::of(method).unwrap_or_else(|| {
            let (_, path) = route(method).unwrap_or_else(|| panic!("{} has no route", method.rpc));
            let collection = path.split("/{").next().unwrap_or_default();
            lists()
                .find(|list| list.path == collection)
                .unwrap_or_else(|| panic!("{}: no RPC lists {collection}, so it has no id", method.rpc))
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

    /// The path of the list, filtered by an address at example.com. Without the filter if the list has no such filter.
    pub(super) fn path_of(&self, name: &str) -> String {
        let filter = self.by_address().map(|field| format!("?{}={name}@example.com", field.name()));
        self.path.clone() + &filter.unwrap_or_default()
    }

    /// A filter by the state of the first row of an answer, or by the last state of the enum if there is no row. `None` if the
    /// list has no filter by state.
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
        id.unwrap_or_else(|| panic!("{}: {answer:?}", self.needs_rows())).to_owned()
    }

    /// What to do if the list has too few rows.
    pub(super) fn needs_rows(&self) -> String {
        let Self { path, file, .. } = self;
        format!("{path} has too few rows: give {file} `rows`, the requests that make a row of one person")
    }

    fn of_first<'a>(&self, answer: &'a Answer, field: &str) -> Option<&'a str> {
        Some(answer.str(&format!("/{}/0/{field}", self.rows.name()))).filter(|text| !text.is_empty())
    }
}
