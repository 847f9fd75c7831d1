//! Tests the records as the RFCs write them.

use super::*;

fn texts(text: &str) -> Vec<String> {
    text.split('|').map(str::to_owned).collect()
}

#[test]
fn an_spf_record_says_who_may_send() {
    let spf = |followed: &[&str], queries, others| {
        let followed = followed.iter().map(|&name| name.to_owned()).collect();
        Ok(Spf { followed, queries, others })
    };
    for (records, expected) in [
        ("v=spf1 include:amazonses.com ~all", spf(&["amazonses.com"], 1, Some(Others::Fail))),
        ("google-site=1|v=spf1 ip4:192.0.2.0/24 -all", spf(&[], 0, Some(Others::Fail))),
        ("v=spf1 a mx/24 a:b.example -ptr exists:%{i}.c -all", spf(&[], 5, Some(Others::Fail))),
        ("v=spf1 ?include:a.example", spf(&["a.example"], 1, Some(Others::Neutral))),
        ("v=spf1 redirect=_spf.Example.com", spf(&["_spf.example.com"], 1, None)),
        ("v=spf1 +all redirect=a.example new=term", spf(&[], 0, Some(Others::Pass))),
        ("V=SPF1 all", spf(&[], 0, Some(Others::Pass))),
        ("v=spf10 all", Err(BadRecord::Missing)),
        ("v=spf1 -all|v=spf1 mx -all", Err(BadRecord::Several)),
        ("v=spf1 ipv4:192.0.2.1 -all", Err(BadRecord::NotUnderstood)),
        ("v=spf1 include -all", Err(BadRecord::NotUnderstood)),
    ] {
        assert_eq!(Spf::read(&texts(records)), expected, "{records}");
    }
}

#[test]
fn a_dkim_key_is_there_and_long_enough() {
    let rsa = |bytes: usize| STANDARD.encode(vec![0; bytes]);
    let key = |kind: &str, is_test| Ok(DkimKey { kind: kind.to_owned(), is_test });
    for (record, expected) in [
        (format!("p={}", rsa(162)), key("rsa", false)),
        (format!("v=DKIM1; k=rsa; t=y:s; p={}", rsa(294)), key("rsa", true)),
        (format!("v=DKIM1; k=ed25519; p={}", rsa(32)), key("ed25519", false)),
        (format!("k=rsa; p={}", rsa(94)), Err(BadRecord::Short)),
        (format!("k=ed25519; p={}", rsa(162)), Err(BadRecord::NotUnderstood)),
        ("v=DKIM1; p=".to_owned(), Err(BadRecord::Revoked)),
        ("v=DKIM2; p=AA==".to_owned(), Err(BadRecord::NotUnderstood)),
        ("p=*".to_owned(), Err(BadRecord::NotUnderstood)),
        ("v=spf1 -all".to_owned(), Err(BadRecord::Missing)),
    ] {
        assert_eq!(DkimKey::read(&texts(&record)), expected, "{record}");
    }
}

fn dmarc(record: &str) -> Dmarc {
    Dmarc::read(&texts(record)).expect(record)
}

#[test]
fn a_dmarc_policy_is_read() {
    let strict =
        dmarc("v=DMARC1; p=reject; sp=quarantine; adkim=s; aspf=s; rua=mailto:d@example.com; t=y; psd=n");
    let expected = Dmarc {
        wish: Wish::Reject,
        wish_for_subdomains: Wish::Quarantine,
        is_strict: true,
        is_test: true,
        has_reports: true,
        is_public_suffix: Some(false),
    };
    assert_eq!(strict, expected);
    assert_eq!(dmarc("v=DMARC1; p=None").wish_for_subdomains, Wish::None);
    assert_eq!(dmarc("v=DMARC1; rua=mailto:d@example.com").wish, Wish::None);
    for (records, expected) in [
        ("p=none; v=DMARC1", BadRecord::Missing),
        ("v=DMARC1; p=none|v=DMARC1; p=reject", BadRecord::Several),
        ("v=DMARC1; p=often", BadRecord::NotUnderstood),
    ] {
        assert_eq!(Dmarc::read(&texts(records)), Err(expected), "{records}");
    }
}

#[test]
fn the_tree_is_walked_to_the_top_in_eight_queries() {
    assert_eq!(tree_walk("mail.levqor.ai"), ["mail.levqor.ai", "levqor.ai", "ai"]);
    let long = tree_walk("a.b.c.d.e.f.g.h.i.j.mail.example.com");
    assert_eq!(long.len(), 8);
    assert_eq!(long[1], "g.h.i.j.mail.example.com");
}

#[test]
fn the_organisational_domain_is_found_by_the_tree_walk() {
    let walk = ["a.mail.example.com", "mail.example.com", "example.com", "com"];
    let none = "v=DMARC1; p=none";
    for (found, expected) in [
        (vec![], "a.mail.example.com"),
        (vec![("a.mail.example.com", none), ("example.com", none)], "example.com"),
        (vec![("mail.example.com", "v=DMARC1; p=none; psd=n"), ("example.com", none)], "mail.example.com"),
        (vec![("com", "v=DMARC1; p=none; psd=y")], "example.com"),
    ] {
        let found: Vec<_> = found.into_iter().map(|(domain, record)| (domain, dmarc(record))).collect();
        assert_eq!(organisation(&walk, &found), expected);
    }
}
