//! One call returns the objections that are in force.

use levqor_proto_compliance::v1::{GetObjectionsRequest, ObjectionScope};

use crate::{
    bench::{Bench, ada, bob},
    set_objection::set,
};

#[tokio::test]
async fn a_person_sees_only_their_own_objections() {
    let bench = Bench::start().await;
    set(&bench, &ada(), ObjectionScope::Profiling, true).await;
    for (caller, expected) in [(ada(), true), (bob(), false)] {
        let answer = bench.objections().get_objections(caller.request(GetObjectionsRequest {})).await;
        let standings = answer.expect("an answer").into_inner().standings.expect("what stands");
        assert_eq!(standings.profiling, expected);
        assert!(!standings.marketing && !standings.all);
    }
}
