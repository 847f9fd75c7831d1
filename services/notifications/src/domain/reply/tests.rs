//! Replies as servers send them, with the class that a person gave each.

use super::*;

/// One reply a line: the class, a tab, the reply. `\n` means a new line of a reply of several lines.
const REPLIES: &str = include_str!("replies.txt");

fn replies() -> impl Iterator<Item = (ReplyClass, String)> {
    REPLIES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let (class, reply) = line.split_once('\t').unwrap_or_else(|| panic!("no tab in {line:?}"));
        (class.parse().unwrap_or_else(|_| panic!("{class} is no class")), reply.replace("\\n", "\r\n"))
    })
}

#[test]
fn replies_of_real_servers_are_classed_as_a_person_does() {
    let wrong: Vec<_> = replies()
        .map(|(expected, reply)| (expected, class(&reply), reply))
        .filter(|(expected, found, _)| expected != found)
        .collect();
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    assert!(replies().count() >= 100, "{}", replies().count());
    for class in ReplyClass::ALL {
        assert!(replies().any(|(of, _)| of == class), "{class:?} has no reply");
    }
}

#[test]
fn every_rule_can_be_read_and_decides_something() {
    assert_eq!(ALL.len(), lines().count());
    for rule in &*ALL {
        let decides = replies().any(|(_, reply)| {
            let reply = Reply::read(&reply);
            let first = ALL.iter().find(|other| other.fits(&reply));
            first.is_some_and(|first| std::ptr::eq(first, rule))
        });
        assert!(decides, "{} | {} | {:?} | {:?}", rule.class.as_str(), rule.code, rule.enhanced, rule.words);
    }
}

#[test]
fn only_codes_of_a_reply_are_kept() {
    for (reply, kept) in [
        ("550-5.1.1 <ada@example.com> unknown", "550 5.1.1"),
        ("smtp; 550 5.1.1 ada@example.com", "550 5.1.1"),
        ("421 too busy", "421"),
        ("ada@example.com is unknown since 2026", ""),
        ("at 192.0.2.5.1", ""),
    ] {
        assert_eq!(codes(reply), kept);
    }
}
