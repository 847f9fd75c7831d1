//! Measures the search with labelled questions (`evaluation/`). The README has the figures. A change that lowers one of
//! them fails. `cargo test --workspace --test api evaluation:: -- --nocapture` prints them, with the questions without the right article.

use levqor_support::evaluation::{Found, search};
use serde_json::Value;

use crate::bench::Bench;

/// The questions of a file, with the articles that were found.
async fn asked(bench: &Bench, questions: &str) -> Vec<(Value, Found)> {
    let mut asked = Vec::new();
    for line in questions.lines().filter(|line| !line.trim().is_empty()) {
        let labelled: Value = serde_json::from_str(line).expect("a question");
        let question = labelled["question"].as_str().expect("a question");
        let found = search(&bench.service.running.service, question).await.expect("searched");
        asked.push((labelled, found));
    }
    asked
}

/// Whether this article is the right one.
fn is_right(label: &Value, article: &str) -> bool {
    let is = |slug: &Value| slug == article;
    label.as_array().map_or_else(|| is(label), |either| either.iter().any(is))
}

/// Whether the right article is among the first three.
fn is_found(label: &Value, found: &Found) -> bool {
    found.articles.iter().any(|article| is_right(label, article))
}

/// Whether the assistant answers, and from the right article.
fn is_answered(label: &Value, found: &Found) -> bool {
    found.answers && found.articles.first().is_some_and(|article| is_right(label, article))
}

/// How many of the questions have their article among the first three, and how many are answered from it. Those of a held-out set are
/// not shown.
async fn recall(bench: &Bench, name: &str, questions: &str, shown: bool) -> [usize; 2] {
    let asked = asked(bench, questions).await;
    let missed: Vec<_> =
        asked.iter().filter(|(labelled, found)| !is_found(&labelled["article"], found)).collect();
    for (labelled, found) in missed.iter().filter(|_| shown) {
        tell(&format!("{name}: {labelled} found {:?}", found.articles));
    }
    let found = asked.len() - missed.len();
    tell(&format!("{name}: the right article is among the first three for {found} of {}", asked.len()));
    let answers = asked.iter().filter(|(_, found)| found.answers).count();
    let right = asked.iter().filter(|(labelled, found)| is_answered(&labelled["article"], found)).count();
    tell(&format!("{name}: {answers} are answered, {right} of them from the right article"));
    [found, right]
}

/// How many of the questions, which no article answers, get no answer.
async fn abstention(bench: &Bench, name: &str, questions: &str, shown: bool) -> usize {
    let asked = asked(bench, questions).await;
    let answered: Vec<_> = asked.iter().filter(|(_, found)| found.answers).collect();
    for (labelled, found) in answered.iter().filter(|_| shown) {
        tell(&format!("{name}: answered {labelled} by {:?}", found.articles.first()));
    }
    let abstained = asked.len() - answered.len();
    tell(&format!("{name}: abstained from {abstained} of {}", asked.len()));
    abstained
}

#[expect(clippy::print_stdout, reason = "the figures are for people")]
fn tell(text: &str) {
    println!("{text}");
}

#[tokio::test]
async fn the_right_article_is_found_and_a_question_without_one_is_not_answered() {
    let bench = Bench::start().await;
    let [found, right] = recall(&bench, "tune", include_str!("../../evaluation/tune.jsonl"), true).await;
    let held_out = recall(&bench, "held out", include_str!("../../evaluation/held_out.jsonl"), false).await;
    let figures = [
        found,
        held_out[0],
        abstention(&bench, "unanswered", include_str!("../../evaluation/unanswered.jsonl"), true).await,
        abstention(&bench, "held out", include_str!("../../evaluation/unanswered_held_out.jsonl"), false)
            .await,
        right,
        held_out[1],
    ];
    let is_kept = figures.iter().zip(LEAST).all(|(figure, least)| *figure >= least);
    assert!(is_kept, "{figures:?} is less than {LEAST:?}");
}

/// The figures of the README: of 150, of 50, of 50, of 25, of 150, and of 50.
const LEAST: [usize; 6] = [144, 48, 50, 22, 71, 20];
