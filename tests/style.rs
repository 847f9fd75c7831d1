//! The tree keeps its shape (STYLE): where things are, what may depend on what, and what may not be written where.

use std::{
    fs,
    path::{Path, PathBuf},
};

use levqor_runtime::{access::Host, telemetry};

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

/// What is in a folder, without what was built and what is hidden.
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
        let name = snake(method.descriptor.name());
        let paths = match &method.host {
            Host::Service(service) => vec![
                format!("services/{service}/src/rpc/{name}.rs"),
                format!("services/{service}/tests/api/{name}.rs"),
            ],
            Host::Every { .. } => vec![format!("runtime/src/hosted/{name}.rs")],
        };
        for path in paths {
            assert!(root().join(&path).is_file(), "{} has no {path}", method.rpc);
        }
    }
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
                "{name} has SQL that nobody checks: {unchecked}"
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
        for banned in ["thread::sleep", "park_timeout", "time::sleep", "pending::<()>", "#[ignore"] {
            assert!(!text.contains(banned), "{name} contains {banned}");
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
        assert!(!metrics || name == "tests/style.rs", "{name} makes metrics past runtime/src/metrics.rs");
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
fn whatever_is_told_is_on_the_list_of_what_may_leave() {
    const EVENTS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
    let source = |name: &str| name.contains("src/") && !name.starts_with("tests/");
    let mut seen = 0;
    for (path, text) in files().iter().filter(|(name, _)| source(name)) {
        let text = without_tests(text);
        let service = path.strip_prefix("services/").and_then(|path| services::find(path.split('/').next()?));
        let lists: Vec<_> =
            service.map(|service| service.fields()).into_iter().chain([telemetry::OF_CHASSIS]).collect();
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
    // What may stand in them: names and numbers of ours. Values of requests may not: these words are logged and exported.
    const OURS: [&str; 17] = [
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
fn dependencies_run_one_way_and_no_name_says_nothing() {
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
    for service in names().chain(["runtime"]) {
        for dependency in own(&format!("proto/crates/{service}")) {
            let may = ["levqor-proto-base", "levqor-proto-build"].contains(&dependency.as_str());
            assert!(may, "the protos of {service} need {dependency}");
        }
    }
    for service in names() {
        for dependency in own(&format!("services/{service}")) {
            let may = ["levqor-runtime", "levqor-proto-base", &format!("levqor-proto-{service}")]
                .contains(&dependency.as_str());
            // Until mails are a package of their own.
            let mails = service == "billing" && dependency == "levqor-proto-notifications";
            assert!(may || mails, "{service} needs {dependency}");
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
fn every_reason_is_explained() {
    let errors = fs::read_to_string(root().join("docs/ERRORS.md")).expect("docs/ERRORS.md");
    let mut reasons = 0;
    for (name, text) in files().iter().filter(|(name, _)| name.contains("src/") && !name.starts_with("src/"))
    {
        let Some(body) = without_tests(text).split("fn reason(&self)").nth(1) else { continue };
        let body = body.split("\n    }").next().unwrap_or_default();
        for reason in body.split('"').skip(1).step_by(2) {
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
