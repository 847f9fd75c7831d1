//! Protos for the tests of this module: those of the shop, and protos that a test writes itself.

use std::{path::Path, sync::LazyLock};

use levqor_runtime::access::Methods;
use prost_reflect::DescriptorPool;
use protox::{
    Compiler,
    file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver},
};

use super::{route::Routes, rule::RouteError};

/// The routes of the shop, which has every form.
pub(super) static SHOP: LazyLock<Routes> = LazyLock::new(|| {
    let mut resolver = folders();
    resolver.add(IncludeFileResolver::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proto")));
    compile(resolver, "levqor/shop/v1/shop_service.proto").expect("the shop's routes can be served")
});

/// The routes of a service with these RPCs, in a package `levqor.made.v1`.
pub(super) fn made_of(rpcs: &str) -> Result<Routes, RouteError> {
    struct Made(String);
    impl FileResolver for Made {
        fn open_file(&self, name: &str) -> Result<File, protox::Error> {
            if name == "made.proto" {
                File::from_source(name, &self.0)
            } else {
                Err(protox::Error::file_not_found(name))
            }
        }
    }
    let imports =
        ["google/api/annotations.proto", "google/api/httpbody.proto", "levqor/options/v1/options.proto"];
    let imports = imports.map(|file| format!("import \"{file}\";\n")).concat();
    let mut resolver = folders();
    resolver.add(Made(format!(
        "syntax = \"proto3\"; package levqor.made.v1;\n{imports}
         message A {{ string id = 1; B b = 2; repeated string ids = 3; map<string, string> m = 4; int32 n = 5; }}
         message B {{ string id = 1; google.api.HttpBody page = 2; }}
         {rpcs}"
    )));
    compile(resolver, "made.proto")
}

fn folders() -> ChainFileResolver {
    let mut resolver = ChainFileResolver::new();
    resolver.add(IncludeFileResolver::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto")));
    resolver.add(GoogleFileResolver::new());
    resolver
}

fn compile(resolver: ChainFileResolver, file: &str) -> Result<Routes, RouteError> {
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file(file).expect("the proto compiles");
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).expect("descriptors");
    // Routes borrow their methods as `'static`, also those that are compiled in.
    Routes::read(Box::leak(Box::new(Methods::read(pool))))
}
