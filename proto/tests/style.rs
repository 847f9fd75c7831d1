//! The contract keeps its rules (STYLE 7 to 13), and the build refuses protos that break the two that protect people.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use levqor_proto_build::contract;
use prost_reflect::{DescriptorPool, EnumValueDescriptor, FileDescriptor, MethodDescriptor};

fn pool() -> DescriptorPool {
    let mut pool = DescriptorPool::new();
    for set in levqor_proto::FILE_DESCRIPTOR_SETS {
        pool.decode_file_descriptor_set(*set).expect("the descriptors are sound");
    }
    pool
}

/// The same with the comments, which the crates leave out.
fn pool_with_comments() -> DescriptorPool {
    let mut compiler = protox::Compiler::new(["."]).expect("compiler");
    compiler.include_imports(true).include_source_info(true);
    for file in pool().files().filter(|file| file.package_name().starts_with("levqor.")) {
        compiler.open_file(file.name()).expect("it compiles");
    }
    DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).expect("descriptors")
}

fn methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    let ours = pool.services().filter(|service| service.full_name().starts_with("levqor."));
    ours.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// The errors of the build if this text were `levqor/test/v1/test.proto`.
fn violations_of(body: &str) -> Vec<String> {
    let folder = std::env::temp_dir().join(format!("levqor-proto-{}-{:x}", std::process::id(), body.len()));
    fs::create_dir_all(folder.join("levqor/test/v1")).expect("folder");
    let text = format!(
        "syntax = \"proto3\";\npackage levqor.test.v1;\nimport \"levqor/options/v1/options.proto\";\n{body}\n"
    );
    fs::write(folder.join("levqor/test/v1/test.proto"), text).expect("file");
    let mut compiler = protox::Compiler::new([folder.clone(), ".".into()]).expect("compiler");
    compiler
        .include_imports(true)
        .open_file(folder.join("levqor/test/v1/test.proto"))
        .expect("the test proto compiles");
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).expect("descriptors");
    fs::remove_dir_all(folder).expect("tidy");
    contract::violations(&pool)
}

#[test]
fn the_build_refuses_an_rpc_without_access() {
    let rpc = |access: &str| {
        violations_of(&format!(
            "service TestService {{ rpc DoIt(DoItRequest) returns (DoItResponse) {{ {access} }} }}
             message DoItRequest {{}} message DoItResponse {{}}"
        ))
    };
    assert_eq!(rpc(""), ["levqor.test.v1.TestService.DoIt: option (levqor.options.v1.access) is missing"]);
    assert_eq!(
        rpc("option (levqor.options.v1.access) = {};"),
        ["levqor.test.v1.TestService.DoIt: access has no role"]
    );
    let no_callers = "option (levqor.options.v1.access) = {role: ROLE_SERVICE};";
    assert_eq!(rpc(no_callers), ["levqor.test.v1.TestService.DoIt: access SERVICE names no callers"]);
    let both = "option (levqor.options.v1.access) = {role: ROLE_STAFF callers: [\"x\"]};";
    assert_eq!(rpc(both), ["levqor.test.v1.TestService.DoIt: access names callers without role SERVICE"]);
    assert!(rpc("option (levqor.options.v1.access) = {role: ROLE_STAFF};").is_empty());
}

#[test]
fn the_build_refuses_a_text_field_without_a_classification() {
    let message = |fields: &str| violations_of(&format!("message M {{ {fields} }}")).len();
    assert_eq!(message("string a = 1;"), 1);
    assert_eq!(
        message("repeated bytes a = 1; map<string, string> b = 2; map<int32, int64> c = 3; int32 d = 4;"),
        2
    );
    assert_eq!(message("string a = 1 [(levqor.options.v1.not_personal) = true];"), 0);
    assert_eq!(message("option (levqor.options.v1.fields_not_personal) = true; string a = 1;"), 0);
    let personal =
        "string a = 1 [(levqor.options.v1.personal_data) = {category: CATEGORY_EMAIL keep: \"1d\"}];";
    assert_eq!(message(personal), 0);
    assert_eq!(message("string a = 1 [(levqor.options.v1.personal_data) = {category: CATEGORY_EMAIL}];"), 1);
    let both = "string a = 1 [(levqor.options.v1.personal_data) = {category: CATEGORY_EMAIL keep: \"1d\"}, (levqor.options.v1.not_personal) = true];";
    assert_eq!(message(both), 1);
}

#[test]
fn the_options_survive_into_the_descriptors() {
    let pool = pool();
    assert!(contract::violations(&pool).is_empty());
    let http = pool.get_extension_by_name("google.api.http").expect("the option");
    assert!(methods(&pool).iter().any(|method| method.options().has_extension(&http)));
}

#[test]
fn every_rpc_has_a_request_and_a_response_of_its_own_name() {
    let mut used: BTreeMap<String, String> = BTreeMap::new();
    for method in methods(&pool()) {
        assert_eq!(method.input().name(), format!("{}Request", method.name()));
        let output = method.output();
        // A body that is not JSON has no message of its own.
        if output.full_name() != "google.api.HttpBody" {
            assert_eq!(output.name(), format!("{}Response", method.name()));
            let before = used.insert(output.full_name().to_owned(), method.full_name().to_owned());
            assert_eq!(before, None, "{} serves two RPCs", output.full_name());
        }
    }
}

#[test]
fn lists_have_pages() {
    for method in methods(&pool()).iter().filter(|method| method.name().starts_with("List")) {
        for field in ["page_size", "page_token"] {
            assert!(
                method.input().get_field_by_name(field).is_some(),
                "{} has no {field}",
                method.full_name()
            );
        }
        assert!(method.output().get_field_by_name("next_page_token").is_some(), "{}", method.full_name());
    }
}

#[test]
fn names_and_comments_are_as_agreed() {
    let pool = pool();
    for method in methods(&pool) {
        let package = method.parent_service().package_name().to_owned();
        let file = method.parent_service().parent_file().name().to_owned();
        assert!(
            file.starts_with(&format!("{}/", package.replace('.', "/"))),
            "{file} is not where {package} says"
        );
    }
    for message in pool.all_messages().filter(|message| message.full_name().starts_with("levqor.")) {
        for field in message.fields() {
            if field.kind().as_message().is_some_and(|kind| kind.full_name() == "google.protobuf.Timestamp") {
                assert!(
                    field.name().ends_with("_time"),
                    "{} is an instant: call it …_time",
                    field.full_name()
                );
            }
            assert!(!field.name().ends_with("_at"), "{}", field.full_name());
        }
    }
    for values in pool.all_enums().filter(|values| values.full_name().starts_with("levqor.")) {
        let zero = values.get_value(0).expect("a zero value");
        assert!(zero.name().ends_with("_UNSPECIFIED"), "{}", zero.full_name());
        let prefix = zero.name().trim_end_matches("UNSPECIFIED").to_owned();
        assert!(values.values().all(|value| value.name().starts_with(&prefix)), "{}", values.full_name());
    }
}

/// The declarations of a file that have a comment before them, as paths in the descriptor.
fn commented(file: &FileDescriptor) -> BTreeSet<Vec<i32>> {
    let locations = file.file_descriptor_proto().source_code_info.iter().flat_map(|info| &info.location);
    let commented = locations
        .filter(|location| location.leading_comments.as_ref().is_some_and(|text| !text.trim().is_empty()));
    commented.map(|location| location.path.clone()).collect()
}

#[test]
fn every_rpc_message_field_and_value_is_explained() {
    let pool = pool_with_comments();
    let mut all: Vec<(String, FileDescriptor, Vec<i32>)> = Vec::new();
    for service in pool.services() {
        all.push((service.full_name().to_owned(), service.parent_file(), service.path().to_vec()));
    }
    for method in methods(&pool) {
        let file = method.parent_service().parent_file();
        all.push((method.full_name().to_owned(), file, method.path().to_vec()));
    }
    for message in pool.all_messages().filter(|message| !message.is_map_entry()) {
        all.push((message.full_name().to_owned(), message.parent_file(), message.path().to_vec()));
        let fields =
            message.fields().map(|f| (f.full_name().to_owned(), message.parent_file(), f.path().to_vec()));
        all.extend(fields);
    }
    for values in pool.all_enums() {
        all.push((values.full_name().to_owned(), values.parent_file(), values.path().to_vec()));
        let of = |v: EnumValueDescriptor| (v.full_name().to_owned(), values.parent_file(), v.path().to_vec());
        all.extend(values.values().map(of));
    }
    let ours = all.iter().filter(|(name, _, _)| name.starts_with("levqor."));
    let bare: Vec<_> =
        ours.filter(|(_, file, path)| !commented(file).contains(path)).map(|(n, _, _)| n).collect();
    assert!(all.len() > 100, "only {} were found", all.len());
    assert!(bare.is_empty(), "without a comment before it: {bare:#?}");
}

#[test]
fn services_share_nothing_but_the_type_package() {
    for file in pool().files().filter(|file| file.package_name().starts_with("levqor.")) {
        for import in file.dependencies() {
            let package = import.package_name().to_owned();
            let shared = ["levqor.type.v1", "levqor.options.v1"].contains(&package.as_str())
                || package == file.package_name();
            assert!(!package.starts_with("levqor.") || shared, "{} imports {package}", file.name());
        }
    }
}

#[test]
fn mutations_take_a_key_or_declare_that_they_are_repeatable() {
    let pool = pool();
    let key = pool.get_extension_by_name("levqor.options.v1.idempotency_key").expect("the option");
    for method in methods(&pool) {
        let options = method.options();
        let level = options.get_field_by_name("idempotency_level").and_then(|level| level.as_enum_number());
        let repeatable = level.is_some_and(|level| level > 0);
        assert!(repeatable || options.has_extension(&key), "{}", method.full_name());
    }
}

#[test]
fn a_message_that_holds_something_personal_shows_its_name_only() {
    use levqor_proto::mail::v1::{OrderWelcome, SendMessageRequest, send_message_request::Content};
    let welcome = OrderWelcome { customer_name: "Alice".to_owned(), ..Default::default() };
    let content = Some(Content::OrderWelcome(welcome));
    let request =
        SendMessageRequest { recipient: "alice@example.com".to_owned(), content, ..Default::default() };
    assert_eq!(format!("{request:?}"), "SendMessageRequest(…)");
    // A message is also personal if a message inside it is, such as a page of orders.
    assert!(contract::personal_messages(&pool()).contains("levqor.billing.v1.ListOrdersResponse"));
}
