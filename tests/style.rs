//! The repository keeps its rules of style: which file contains what, what may depend on what, and what must not be used where.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use levqor_runtime::{
    access::{Host, KeyRule, Method},
    error::ErrorCode,
    telemetry,
};
use prost_reflect::DescriptorPool;

#[path = "../src/services.rs"]
#[expect(dead_code, reason = "shared with the binary, which needs all of it")]
mod services;

/// The names of the services.
fn names() -> impl Iterator<Item = &'static str> {
    services::ALL.iter().map(|service| service.name())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// Every Rust file of the repository, by its path from the root.
fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(root(), &mut files);
    assert!(files.len() > 50, "the files were not found");
    files.sort();
    files
}

/// The files in a folder, without build results and hidden files.
fn collect(folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        if path.is_symlink() || name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root()).expect("within").to_str().expect("a name").to_owned();
            files.push((relative, fs::read_to_string(&path).expect("text")));
        }
    }
}

/// The part of a file that is not its unit tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

#[test]
fn every_rpc_has_a_file_of_its_name_and_every_rpc_of_a_service_a_test_file() {
    for method in levqor_gateway::methods().iter() {
        let mut paths = vec![handler(method)];
        if let Host::Service(service) = &method.host {
            paths.push(format!("services/{service}/tests/api/{}.rs", snake(method.descriptor.name())));
        }
        for path in paths {
            assert!(root().join(&path).is_file(), "{} has no {path}", method.rpc);
        }
    }
}

#[test]
fn every_fixture_has_the_name_of_an_rpc() {
    let rpcs: BTreeSet<_> =
        levqor_gateway::methods().iter().map(|method| snake(method.descriptor.name())).collect();
    let folders = names().map(|service| format!("services/{service}/tests/api"));
    for folder in folders.chain(["runtime/tests/api".to_owned()]) {
        for entry in fs::read_dir(root().join(&folder)).expect(&folder) {
            let path = entry.expect("an entry").path();
            let is_fixture = path.extension().is_some_and(|it| it == "json" || it == "sql");
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
            assert!(!is_fixture || rpcs.contains(name), "{} has a name that no RPC has", path.display());
        }
    }
}

/// Where the handler of an RPC is.
fn handler(method: &Method) -> String {
    let name = snake(method.descriptor.name());
    match &method.host {
        Host::Service(service) => format!("services/{service}/src/rpc/{name}.rs"),
        // Tunnels are a module with two ends.
        Host::Every { .. } if name == "tunnel" => "runtime/src/tunnel.rs".to_owned(),
        Host::Every { .. } => format!("runtime/src/hosted/{name}.rs"),
    }
}

#[test]
fn every_rpc_of_a_service_has_its_line_among_its_rpcs() {
    for method in levqor_gateway::methods().iter() {
        let Host::Service(service) = &method.host else { continue };
        let rpcs = fs::read_to_string(root().join(format!("services/{service}/src/rpc.rs"))).expect("rpc.rs");
        let line = format!("        {}(", snake(method.descriptor.name()));
        assert!(rpcs.contains(&line), "services/{service}/src/rpc.rs has no line of {}", method.rpc);
    }
}

#[test]
fn every_mutation_and_list_uses_the_chassis_or_its_file_says_why() {
    const BY_HAND: [&str; 3] = ["idempotency::claim(", ".remember(", "audit::append("];
    let mut seen = 0;
    for method in levqor_gateway::methods().iter() {
        let path = handler(method);
        let text = fs::read_to_string(root().join(&path)).expect(&path);
        let first: Vec<_> = text.lines().take_while(|line| line.starts_with("//! ")).collect();
        let first = first.concat();
        let by_hand = BY_HAND.iter().any(|step| text.contains(step));
        let keyed = method.key != KeyRule::Ignored;
        if by_hand || (keyed && !text.contains(" mutate(")) {
            assert!(
                first.contains("`mutate`"),
                "{path} does not say at once why it is not written with `mutate`"
            );
        }
        let is_list = method.descriptor.input().get_field_by_name("page_token").is_some();
        if is_list && !text.contains(" list(") {
            assert!(
                first.contains("`list`"),
                "{path} does not say at once why it is not written with `list`"
            );
        }
        seen += usize::from(keyed) + usize::from(is_list);
    }
    assert!(seen > 8, "only {seen} mutations and lists were found");
}

#[test]
fn no_source_file_is_too_long_to_read_at_once() {
    const MAX: usize = 400;
    let is_test = |path: &str| path.starts_with("tests/") || path.contains("/tests/");
    for (path, text) in files().iter().filter(|(path, _)| !is_test(path)) {
        let lines = text.lines().count();
        assert!(lines <= MAX, "{path} has {lines} lines, and at most {MAX} are allowed");
    }
}

#[test]
fn the_chassis_names_no_business_and_no_vendor_of_it() {
    const WORDS: [&str; 6] = ["checkout", "invoice", "refund", "stripe", "subscription", "ticket"];
    // These files need the word: it is in a column, in a proto, in the name of a dependency's field, or in the path of its source
    // (`/git/checkouts/`).
    const STAY: [(&str, &str); 5] = [
        ("runtime/src/hosted/subject.rs", "stripe"),
        ("runtime/src/privacy/declaration.rs", "stripe"),
        ("runtime/src/privacy/holds.rs", "stripe"),
        ("runtime/src/telemetry/errors.rs", "checkout"),
        ("runtime/src/tls/loaded.rs", "ticket"),
    ];
    let files = files();
    let mut stay: BTreeSet<(&str, &str)> = STAY.into_iter().collect();
    for (path, text) in files.iter().filter(|(path, _)| path.starts_with("runtime/src/")) {
        let text = without_tests(text).to_lowercase();
        for word in WORDS.into_iter().filter(|word| text.contains(word)) {
            assert!(stay.remove(&(path.as_str(), word)), "{path} names {word}");
        }
    }
    assert!(stay.is_empty(), "these need not stay on the list: {stay:?}");
}

#[test]
fn services_have_the_same_skeleton() {
    assert_eq!(
        levqor_gateway::methods().services(),
        names().collect::<Vec<_>>(),
        "a service of the protos is missing in src/services.rs, or the reverse"
    );
    for service in names() {
        for path in [
            "README.md",
            "migrations",
            ".sqlx",
            "sqlx.toml",
            "src/lib.rs",
            "src/config.rs",
            "src/error.rs",
            "src/rpc.rs",
            "src/rpc",
            "src/domain",
            "src/store",
            "tests/api/main.rs",
        ] {
            assert!(root().join("services").join(service).join(path).exists(), "{service} has no {path}");
        }
    }
}

#[test]
fn every_file_opens_with_a_sentence() {
    for (name, text) in files() {
        let first = text.lines().next().unwrap_or_default();
        let by_readme = first.starts_with("#![doc = include_str!(");
        assert!(by_readme || (first.starts_with("//! ") && first.len() > 20), "{name} opens with {first:?}");
    }
}

#[test]
fn the_domain_is_pure() {
    for (name, text) in files().iter().filter(|(name, _)| name.contains("/src/domain")) {
        for banned in ["async ", ".await", "sqlx", "tonic", "tokio", "Clock", "runtime::db"] {
            assert!(!without_tests(text).contains(banned), "{name} contains {banned:?}");
        }
    }
}

#[test]
fn sql_of_services_is_under_store_and_checked_when_compiled() {
    for (name, text) in
        files().iter().filter(|(name, _)| name.starts_with("services/") && name.contains("/src/"))
    {
        if !name.contains("/src/store") {
            assert!(!text.contains("sqlx::query"), "{name} has SQL outside of store/");
        }
        for unchecked in
            ["sqlx::query(", "sqlx::query_as(", "sqlx::query_scalar(", "AssertSqlSafe", "raw_sql("]
        {
            assert!(
                !without_tests(text).contains(unchecked),
                "{name} has SQL that is not checked when compiled: {unchecked}"
            );
        }
    }
}

#[test]
fn nothing_catches_everything_and_nothing_is_silenced() {
    for (name, text) in
        files().iter().filter(|(name, _)| name.contains("src/") && !name.starts_with("proto/"))
    {
        for banned in ["#[allow(", "#![allow(", "todo!(", "unimplemented!(", "FIXME", "XXX"] {
            assert!(!text.contains(banned), "{name} contains {banned}");
        }
    }
}

#[test]
fn tests_do_not_sleep() {
    for (name, text) in
        files().iter().filter(|(name, _)| name.contains("tests/") && *name != "tests/style.rs")
    {
        for banned in ["thread::sleep", "park_timeout", "time::sleep", "pending::<()>"] {
            assert!(!text.contains(banned), "{name} contains {banned}");
        }
        for ignored in text.split("#[ignore").skip(1) {
            let reason = ignored.split(']').next().unwrap_or_default();
            let has_command = reason.contains(".ci/") || reason.contains("cargo test");
            assert!(has_command, "{name} ignores a test, and names no command that runs it: {reason}");
        }
        let delays = text.contains("testing::delay") || text.contains(" delay(") || text.contains("(delay(");
        let may = name.contains("tests/fakes/") || *name == "tests/faults/proxy.rs";
        assert!(may || !delays, "{name} waits for time, and not for a condition");
    }
}

#[test]
fn telemetry_is_initialised_in_one_place() {
    for (name, text) in files().iter().filter(|(name, _)| !name.starts_with("runtime/src/telemetry")) {
        let metrics = text.contains("SdkMeterProvider") && name != "runtime/src/metrics.rs";
        assert!(!metrics || name == "tests/style.rs", "{name} makes metrics without runtime/src/metrics.rs");
        for banned in ["SdkTracerProvider", ".try_init()", "set_global_default"] {
            assert!(!text.contains(banned) || name == "tests/style.rs", "{name} contains {banned}");
        }
    }
}

/// The arguments of every call of one of `tracing`'s macros in a text.
fn traced<'t>(text: &'t str, names: &[&str]) -> Vec<&'t str> {
    let mut found = Vec::new();
    for name in names {
        for rest in text.split(&format!("tracing::{name}!(")).skip(1) {
            let mut depth = 1;
            let end = rest.find(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth == 0
            });
            found.push(rest.get(..end.unwrap_or_default()).unwrap_or_default());
        }
    }
    found
}

/// The arguments of a call, one by one.
fn arguments(call: &str) -> Vec<&str> {
    let (mut depth, mut quoted) = (0, false);
    let split = call.split(|c| {
        quoted ^= c == '"';
        depth += i32::from("([{<".contains(c)) - i32::from(")]}>".contains(c));
        c == ',' && depth == 0 && !quoted
    });
    split.map(str::trim).filter(|argument| !argument.is_empty()).collect()
}

#[test]
fn every_exported_field_is_on_a_list() {
    const EVENTS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
    let source = |name: &str| name.contains("src/") && !name.starts_with("tests/");
    let mut seen = 0;
    for (path, text) in files().iter().filter(|(name, _)| source(name)) {
        let text = without_tests(text);
        let service = path.strip_prefix("services/").and_then(|path| services::find(path.split('/').next()?));
        let lists: Vec<_> =
            service.map(services::AnyService::fields).into_iter().chain([telemetry::OF_CHASSIS]).collect();
        let spans = traced(text, &["info_span"]).into_iter().map(|call| (call, true));
        for (call, span) in traced(text, &EVENTS).into_iter().map(|call| (call, false)).chain(spans) {
            for argument in arguments(call) {
                seen += 1;
                if argument.starts_with('"') {
                    let words = argument.trim_end_matches('"');
                    assert!(!words.contains('{'), "{path}: words are put together in {argument}");
                    continue;
                }
                let name =
                    argument.split('=').next().unwrap_or_default().trim().trim_start_matches(['%', '?']);
                let listed = lists.iter().any(|of| if span { of.spans } else { of.events }.contains(&name));
                let known = listed || (span && name.starts_with("otel."));
                assert!(known, "{path}: `{name}` would be left out; is it fit for the service's `FIELDS`?");
                let told_as_text = name == "error" && (argument.contains('%') || argument.contains('?'));
                assert!(
                    !told_as_text,
                    "{path}: an error is told as an error, so that its chain can be read: {argument}"
                );
            }
        }
    }
    assert!(seen > 100, "only {seen} arguments were found");
}

#[test]
fn the_words_of_our_errors_are_our_own() {
    // They may contain our own names and numbers. Values of requests may not: these words are logged and exported.
    const OURS: &[&str] = &[
        "path.display()",
        "what",
        "source.kind()",
        "program",
        "output",
        "service",
        "address",
        "name",
        "addr",
        "rpc",
        "template",
        "field",
        "problem",
        "first",
        "second",
        "route",
        "rows",
        "table",
        "",
    ];
    let mut seen = 0;
    for (path, text) in files().iter().filter(|(name, _)| name.contains("src/")) {
        for words in without_tests(text).split("#[error(\"").skip(1) {
            seen += 1;
            let words = words.split('"').next().unwrap_or_default();
            for hole in words.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                assert!(OURS.contains(&hole) || hole == "0", "{path}: {{{hole}}} in the words of an error");
            }
        }
    }
    assert!(seen > 50, "only {seen} errors were found");
}

#[test]
fn dependencies_run_one_way_and_names_have_a_meaning() {
    let manifest = |path: &str| fs::read_to_string(root().join(path).join("Cargo.toml")).expect(path);
    let own = |path: &str| {
        let text = manifest(path);
        let normal = text.split("[dev-dependencies]").next().unwrap_or_default().to_owned();
        let lines = normal.lines().filter(|line| line.starts_with("levqor-"));
        lines.filter_map(|line| line.split(['.', ' ', '=']).next().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(own("proto/crates/base"), ["levqor-proto-build"]);
    assert_eq!(own("runtime"), ["levqor-proto-runtime"], "a service's proto would rebuild the chassis");
    assert_eq!(own("gateway"), ["levqor-proto", "levqor-runtime"]);
    for service in names().chain(["inbound", "law", "mail", "runtime"]) {
        for dependency in own(&format!("proto/crates/{service}")) {
            let may = ["levqor-proto-base", "levqor-proto-build"].contains(&dependency.as_str());
            assert!(may, "the protos of {service} need {dependency}");
        }
    }
    for service in names() {
        for dependency in own(&format!("services/{service}")) {
            // Every service may send mail and call the RPCs that the chassis hosts; `levqor.mail.v1` is the package for mail.
            let may = ["levqor-runtime", "levqor-proto-base", "levqor-proto-mail", "levqor-proto-runtime"]
                .contains(&dependency.as_str())
                || dependency == format!("levqor-proto-{service}")
                // Support asks billing for prices and plans, and takes received mails from notifications.
                || [
                    ("support", "levqor-proto-billing"),
                    ("support", "levqor-proto-inbound"),
                    // It starts the double opt-in of people who sent a form.
                    ("support", "levqor-proto-notifications"),
                    ("notifications", "levqor-proto-inbound"),
                    // They tell compliance of consents and acceptances, and have texts screened.
                    ("billing", "levqor-proto-law"),
                    ("notifications", "levqor-proto-law"),
                    ("support", "levqor-proto-law"),
                    ("compliance", "levqor-proto-law"),
                    // The ledger feeds the permissions of notifications.
                    ("compliance", "levqor-proto-notifications"),
                ]
                .contains(&(service, dependency.as_str()));
            assert!(may, "{service} needs {dependency}");
        }
    }
    for (name, _) in files() {
        let stem = PathBuf::from(&name);
        let stem = stem.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        assert!(
            !["utils", "util", "common", "helpers", "misc", "convert"].contains(&stem),
            "{name} says nothing"
        );
    }
}

#[test]
fn billing_alone_links_the_client_of_stripe() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let mut users = BTreeSet::new();
    for package in lock.split("[[package]]").skip(1) {
        let name = package.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        let name = name.expect("a name");
        let needs = package.lines().any(|line| line.trim_start().starts_with("\"async-stripe"));
        if needs && !name.starts_with("async-stripe") {
            users.insert(name);
        }
    }
    assert_eq!(users.into_iter().collect::<Vec<_>>(), ["levqor-billing"]);
}

/// The modules of its own crate that a text uses: `crate::module`, and the items of `crate::{…}`.
fn modules_used(text: &str) -> BTreeSet<String> {
    let name =
        |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut used = BTreeSet::new();
    for after in text.split("crate::").skip(1) {
        let Some(group) = after.strip_prefix('{') else {
            used.insert(name(after));
            continue;
        };
        let (mut depth, mut item) = (0, String::new());
        for c in group.chars() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if depth < 0 {
                break;
            }
            if depth == 0 && c == ',' {
                used.insert(name(&item));
                item.clear();
            } else {
                item.push(c);
            }
        }
        used.insert(name(&item));
    }
    used
}

#[test]
fn the_modules_of_the_runtime_import_each_other_in_no_circle() {
    let group = modules_used("use crate::{\n    a::{self, b},\n    c,\n};\nuse crate::d::e;");
    assert_eq!(group.into_iter().collect::<String>(), "acd", "the scan finds what is used");
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in files() {
        let Some(path) = path.strip_prefix("runtime/src/") else { continue };
        let module = path.split(['/', '.']).next().unwrap_or_default();
        // `lib` declares them all, and `testing` may use them all.
        if !["lib", "testing"].contains(&module) {
            used.entry(module.to_owned()).or_default().extend(modules_used(without_tests(&text)));
        }
    }
    assert!(used.len() > 40, "the modules were not found");
    // A module that uses none of the remaining modules is in no circle.
    let mut before = 0;
    while before != used.len() {
        before = used.len();
        let left: BTreeSet<_> = used.keys().cloned().collect();
        used.retain(|module, others| others.iter().any(|other| other != module && left.contains(other)));
    }
    assert!(used.is_empty(), "these modules are in a circle, or use one that is: {used:#?}");
}

/// The reasons that a file gives to callers: after a code in `service_error!`, and in `fn reason` where that is written by hand.
fn reasons_of(text: &str) -> Vec<&str> {
    let is_code = |word: &str| ErrorCode::ALL.iter().any(|code| format!("{code:?}") == word);
    let words: Vec<_> = text.split_whitespace().collect();
    let declared = words.windows(3).filter_map(|three| match three {
        ["=>", code, reason] if is_code(code) => reason.strip_prefix('"')?.split('"').next(),
        _ => None,
    });
    let body = text.split("fn reason(&self)").nth(1).and_then(|rest| rest.split("\n    }").next());
    declared.chain(body.unwrap_or_default().split('"').skip(1).step_by(2)).collect()
}

#[test]
fn every_mail_is_sent_by_a_service_or_its_occasion_says_that_no_service_sends_it_yet() {
    const OF_TEMPLATES: &str = "services/notifications/src/domain/template";
    let is_sender = |path: &str| {
        path.starts_with("services/") && path.contains("/src/") && !path.starts_with(OF_TEMPLATES)
    };
    let files = files();
    let senders: Vec<_> = files.iter().filter(|(path, _)| is_sender(path)).collect();
    let pool = DescriptorPool::decode(levqor_proto::mail::FILE_DESCRIPTOR_SET).expect("the protos");
    let request = pool.get_message_by_name("levqor.mail.v1.SendMessageRequest").expect("the request");
    let option = pool.get_extension_by_name("levqor.mail.v1.template").expect("the option");
    let content = request.oneofs().find(|oneof| oneof.name() == "content").expect("the templates");
    for field in content.fields() {
        let template = field.kind().as_message().cloned().expect("a message");
        let options = template.options();
        let options = options.get_extension(&option);
        let occasion = options.as_message().expect("options").get_field_by_name("occasion");
        let occasion = occasion.as_ref().and_then(|occasion| occasion.as_str()).expect("an occasion");
        let sends = format!("Content::{}(", template.name());
        let is_sent = senders.iter().any(|(_, text)| without_tests(text).contains(&sends));
        let says = !occasion.starts_with("nobody yet: ");
        assert_eq!(is_sent, says, "{}: {occasion}", field.name());
    }
}

#[test]
fn every_reason_is_explained() {
    let errors = fs::read_to_string(root().join("docs/ERRORS.md")).expect("docs/ERRORS.md");
    let mut reasons = 0;
    for (name, text) in files().iter().filter(|(name, _)| name.contains("src/") && !name.starts_with("src/"))
    {
        for reason in reasons_of(without_tests(text)) {
            reasons += 1;
            assert!(errors.contains(&format!("`{reason}`")), "{name}: {reason} is not in docs/ERRORS.md");
        }
    }
    assert!(reasons > 20, "only {reasons} reasons were found");
}

#[test]
fn the_readme_names_only_what_is_there() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    for target in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        if !target.starts_with("http") && !target.starts_with('#') {
            let path = target.split('#').next().unwrap_or_default();
            assert!(root().join(path).exists(), "README.md points to {path}");
        }
    }
}

#[test]
fn code_blocks_in_the_documentation_of_a_crate_name_their_language() {
    // `lib.rs` includes the README as its crate's documentation. A block without a language would be compiled as a test in Rust.
    let services = names().map(|name| format!("services/{name}"));
    for folder in ["runtime", "gateway", "proto"].map(str::to_owned).into_iter().chain(services) {
        let path = root().join(folder).join("README.md");
        let readme = fs::read_to_string(&path).expect("a README");
        let fences = readme.lines().map(str::trim_start).filter(|line| line.starts_with("```"));
        for opening in fences.step_by(2) {
            assert_ne!(opening.trim(), "```", "a block in {} names no language", path.display());
        }
    }
}
