//! The doctor of a role with certificates: it reads from their files until when they are valid.

use levqor_runtime::testing::{Authority, Signed, process::free_port};

use super::report::Report;
use crate::roles::{Role, THIS_BUILD, levqor, set_up};

#[test]
fn certificates_that_expired_fail_their_own_lines() {
    const LINES: [&str; 2] = ["gateway.mesh_certificate", "gateway.certificate"];
    let authority = Authority::create();
    let files = authority.files("gateway");
    let settings = files.settings();
    let doctor = |signed: &Signed| {
        files.write(signed, authority.certificate());
        // No other process runs: their lines fail too.
        let nobody = free_port().to_string();
        let command = levqor(THIS_BUILD, &["doctor", "gateway", "--json"]);
        let mut command = set_up(command, Role::Gateway, free_port(), "", [nobody.as_str(); 4]);
        let [(_, certificate), (_, key), _] = &settings;
        command.envs(settings.each_ref().map(|(name, path)| (*name, path.as_str())));
        command.envs([("LEVQOR_TLS_CERT", certificate), ("LEVQOR_TLS_KEY", key)]);
        Report::of(command, &[])
    };
    let valid = doctor(&authority.certify("gateway"));
    for line in LINES {
        assert_eq!(valid.evidence("ON", line), "valid until 4000-01-01T00:00:00Z");
    }
    let expired = doctor(&authority.sign(&["gateway.levqor.internal"], 2020));
    for line in LINES {
        assert_eq!(expired.evidence("FAILED", line), "expired at 2020-01-01T00:00:00Z: renew it");
    }
}
