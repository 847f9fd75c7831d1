//! Decides which passage answers a question, or that none does. PostgreSQL finds the passages, and the questions of articles,
//! that have any word of the customer's question; here their articles are ranked by how much of the question they cover, and
//! where. A rare word says more than a common one.

use std::collections::{BTreeMap, BTreeSet};

use super::{article::ArticleId, fillers::FILLERS};

/// How much a word counts by where an article has it.
const IN_TITLE: f64 = 2.0;
const IN_SUMMARY: f64 = 1.2;
const IN_HEADING: f64 = 1.2;
const IN_BODY: f64 = 0.8;
const IN_QUESTIONS: f64 = 3.0;
/// The extra weight of words that occur together in one passage, or in one question of the article.
const IN_ONE_PASSAGE: f64 = 0.6;
const IN_ONE_QUESTION: f64 = 1.0;
/// How much it counts that a question of the article looks like the customer's, letter by letter: so typing errors and small words count
/// too.
const LIKE_A_QUESTION: f64 = 80.0;
/// From this likeness on it is the same question.
const SAME_QUESTION: f64 = 0.6;
/// The least evidence that an article answers: the share of the customer's own words that it covers, by their weight, and the likeness of
/// its questions.
const LEAST_EVIDENCE: f64 = 0.82;
/// The least share of the words that must be covered, however alike the letters are: "How do I unsubscribe from Spotify?" looks like one
/// of our questions.
const LEAST_COVERED: f64 = 0.45;
/// The least share where the server cannot compare questions.
const LEAST_SHARE: f64 = 0.62;
/// The least weight of the words that are covered: one common word is not evidence.
const LEAST_WEIGHT: f64 = 2.0;
/// How a word counts within an article, if the passage has it in its heading, and if the title has it too.
const HEADING_OF_PASSAGE: f64 = 1.5;
const TITLE_OF_PASSAGE: f64 = 0.1;
/// How fast a word that more passages or questions have counts more: half of its weight is reached below one passage.
const SATURATION: f64 = 1.2;

/// A word of a question, as PostgreSQL's stemmer gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) lexeme: String,
    /// How many articles have it. 0: none.
    pub(crate) articles: u32,
}

/// A customer's words, in the form of PostgreSQL's stemmer.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) words: Vec<String>,
    pub(crate) phrases: Vec<Phrase>,
}

/// A phrase of the customer's, and what articles say for it.
#[derive(Debug, Clone)]
pub(crate) struct Phrase {
    pub(crate) said: Vec<String>,
    pub(crate) meant: Vec<String>,
}

/// A passage that has at least one of the words.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) article_id: ArticleId,
    pub(crate) position: i32,
    /// How close the words are to each other (`ts_rank_cd`).
    pub(crate) closeness: f64,
    pub(crate) in_title: Vec<String>,
    pub(crate) in_heading: Vec<String>,
    pub(crate) in_body: Vec<String>,
    pub(crate) in_summary: Vec<String>,
}

/// A question of an article that has at least one of the words.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) article_id: ArticleId,
    pub(crate) words: Vec<String>,
}

/// How much a question of an article looks like the customer's: from 0 to 1, the same (`similarity` of `pg_trgm`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alike {
    pub(crate) article_id: ArticleId,
    pub(crate) likeness: f64,
}

/// The matches in an article.
#[derive(Default)]
struct Material<'c> {
    passages: Vec<&'c Candidate>,
    questions: Vec<&'c Asked>,
    likeness: f64,
}

impl Material<'_> {
    /// The words of the question that the article has.
    fn words(&self) -> BTreeSet<&str> {
        let in_passages = self.passages.iter().flat_map(|passage| {
            [&passage.in_title, &passage.in_heading, &passage.in_body, &passage.in_summary]
        });
        let in_questions = self.questions.iter().map(|question| &question.words);
        in_passages.chain(in_questions).flatten().map(String::as_str).collect()
    }
}

/// Where the text of an article begins, which is quoted if only its questions have words of the customer's question.
const FIRST_PASSAGE: i32 = 1;

/// The passages of an article that have a word of the question, with the article's score.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ranked {
    pub(crate) article_id: ArticleId,
    /// The best passage.
    pub(crate) position: i32,
    /// The other passages, the best first.
    pub(crate) others: Vec<i32>,
    pub(crate) score: f64,
    /// Whether the article covers enough of the question to be an answer.
    pub(crate) answers: bool,
}

/// The words of a question that count.
#[derive(Debug)]
pub(crate) struct Question {
    weights: BTreeMap<String, f64>,
    /// The customer's own words outside of phrases.
    own: Vec<String>,
    phrases: Vec<Phrase>,
}

impl Question {
    /// Weighs the words of the question and of what its phrases mean. `articles` is the number of all published articles.
    pub(crate) fn new(words: &[Word], articles: u32, said: &Said) -> Self {
        let all = f64::from(articles.max(1));
        let weight = |word: &Word| (1.0 + all / f64::from(word.articles.max(1))).ln();
        let counted = words.iter().filter(|word| !FILLERS.contains(&word.lexeme.as_str()));
        let weights: BTreeMap<_, _> = counted.map(|word| (word.lexeme.clone(), weight(word))).collect();
        let in_phrase = |word: &String| said.phrases.iter().any(|phrase| phrase.said.contains(word));
        let is_meaning = |word: &String| said.phrases.iter().any(|phrase| phrase.meant.contains(word));
        // A word with a typing error that was mended is not among the words that the customer typed.
        let is_own = |word: &&String| !in_phrase(word) && (said.words.contains(word) || !is_meaning(word));
        let own = weights.keys().filter(is_own).cloned().collect();
        Self { weights, own, phrases: said.phrases.clone() }
    }

    /// The words, to search for.
    pub(crate) fn lexemes(&self) -> Vec<String> {
        self.weights.keys().cloned().collect()
    }

    /// The best passage of each article, the best article first.
    pub(crate) fn rank(&self, candidates: &[Candidate], asked: &[Asked], alike: &[Alike]) -> Vec<Ranked> {
        let mut articles: BTreeMap<ArticleId, Material<'_>> = BTreeMap::new();
        for candidate in candidates {
            articles.entry(candidate.article_id).or_default().passages.push(candidate);
        }
        for question in asked {
            articles.entry(question.article_id).or_default().questions.push(question);
        }
        for Alike { article_id, likeness } in alike {
            articles.entry(*article_id).or_default().likeness = *likeness;
        }
        let compared = !alike.is_empty();
        let of_all = articles.iter().map(|(id, material)| self.of_article(*id, material, compared));
        let mut ranked: Vec<_> = of_all.collect();
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.article_id.cmp(&b.article_id)));
        ranked
    }

    /// The passages of an article. `compared`: the server can compare questions.
    fn of_article(&self, article_id: ArticleId, material: &Material<'_>, compared: bool) -> Ranked {
        let Material { passages, questions, likeness } = material;
        let mut score = 0.0;
        for (word, weight) in &self.weights {
            let number = |having: usize| u32::try_from(having).map_or(f64::MAX, f64::from);
            let count = |has: fn(&Candidate) -> &Vec<String>| {
                number(passages.iter().filter(|passage| has(passage).contains(word)).count())
            };
            let asking = number(questions.iter().filter(|question| question.words.contains(word)).count());
            let saturated = |count: f64| count / (count + SATURATION);
            let found = count(|passage| &passage.in_title).min(1.0) * IN_TITLE
                + count(|passage| &passage.in_summary).min(1.0) * IN_SUMMARY
                + saturated(count(|passage| &passage.in_heading)) * IN_HEADING
                + saturated(count(|passage| &passage.in_body)) * IN_BODY
                + saturated(asking) * IN_QUESTIONS;
            score += weight * found;
        }
        let mut fitting: Vec<_> =
            passages.iter().map(|passage| (self.of_passage(passage), passage.position)).collect();
        fitting.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (fit, position) = fitting.pop().unwrap_or((0.0, FIRST_PASSAGE));
        score += fit * IN_ONE_PASSAGE;
        score += questions.iter().map(|question| self.of_words(&question.words)).fold(0.0, f64::max)
            * IN_ONE_QUESTION;
        score += likeness * LIKE_A_QUESTION;
        let others = fitting.into_iter().rev().map(|(_, position)| position).collect();
        Ranked { article_id, position, others, score, answers: self.is_answered(material, compared) }
    }

    /// Whether an article covers enough of the customer's words.
    fn is_answered(&self, material: &Material<'_>, compared: bool) -> bool {
        let (share, weight) = self.covered(&material.words());
        let (evidence, least) =
            if compared { (share + material.likeness, LEAST_EVIDENCE) } else { (share, LEAST_SHARE) };
        let is_covered = share >= LEAST_COVERED && weight >= LEAST_WEIGHT;
        (evidence >= least && is_covered) || material.likeness >= SAME_QUESTION
    }

    /// The share of the customer's words that these words are: the share by weight, and the weight. What articles say for a phrase
    /// covers the phrase and adds nothing to it. So a wording finds articles, and is not evidence by itself.
    fn covered(&self, having: &BTreeSet<&str>) -> (f64, f64) {
        let had = |words: &[String]| {
            let words = words.iter().filter(|word| having.contains(word.as_str()));
            words.filter_map(|word| self.weights.get(word)).sum::<f64>()
        };
        let (mut total, mut covered) = (self.of_words(&self.own), had(&self.own));
        for Phrase { said, meant } in &self.phrases {
            let (of_said, of_meant) = (self.of_words(said), self.of_words(meant));
            if of_said > 0.0 && of_meant > 0.0 {
                total += of_said;
                covered += had(said).max(of_said * had(meant) / of_meant);
            } else if of_meant > 0.0 {
                // The phrase has only words such as "the": it counts as the heaviest word of its meaning.
                let heaviest =
                    meant.iter().filter_map(|word| self.weights.get(word)).copied().fold(0.0, f64::max);
                total += heaviest;
                covered += heaviest * had(meant) / of_meant;
            }
        }
        (if total > 0.0 { covered / total } else { 0.0 }, covered)
    }

    /// The weight of these words.
    fn of_words(&self, words: &[String]) -> f64 {
        words.iter().filter_map(|word| self.weights.get(word)).sum()
    }

    /// How well a passage fits by itself. Words of the title are in the whole article, so they hardly tell its passages apart.
    fn of_passage(&self, passage: &Candidate) -> f64 {
        let words: BTreeSet<_> = passage.in_heading.iter().chain(&passage.in_body).collect();
        let weight = |word: &String| {
            let in_heading = if passage.in_heading.contains(word) { HEADING_OF_PASSAGE } else { 1.0 };
            let in_title = if passage.in_title.contains(word) { TITLE_OF_PASSAGE } else { 1.0 };
            self.weights.get(word).copied().unwrap_or_default() * in_heading * in_title
        };
        // The closeness decides between passages with the same words.
        words.into_iter().map(weight).sum::<f64>() + passage.closeness.clamp(0.0, 1.0) * 0.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(lexeme: &str, articles: u32) -> Word {
        Word { lexeme: lexeme.to_owned(), articles }
    }

    /// A question without phrases.
    fn question(words: &[Word]) -> Question {
        Question::new(words, 45, &Said::default())
    }

    fn id(n: u128) -> ArticleId {
        uuid::Uuid::from_u128(n).into()
    }

    fn candidate(article: u128, position: i32, title: &[&str], body: &[&str]) -> Candidate {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Candidate {
            article_id: id(article),
            position,
            closeness: 0.0,
            in_title: owned(title),
            in_heading: Vec::new(),
            in_body: owned(body),
            in_summary: Vec::new(),
        }
    }

    #[test]
    fn the_article_with_the_rare_words_is_first_with_its_best_passage() {
        let question = question(&[word("order", 30), word("deliveri", 3), word("want", 20)]);
        assert_eq!(question.lexemes(), ["deliveri", "order"], "fillers do not count");
        let ranked = question.rank(
            &[
                candidate(1, 0, &[], &["order"]),
                candidate(2, 0, &["deliveri"], &["order"]),
                candidate(2, 1, &["deliveri"], &["deliveri", "order"]),
                candidate(3, 0, &[], &["deliveri"]),
            ],
            &[],
            &[],
        );
        let places: Vec<_> = ranked.iter().map(|passage| (passage.article_id, passage.position)).collect();
        assert_eq!(places, [(id(2), 1), (id(3), 0), (id(1), 0)]);
        assert_eq!(ranked[0].others, [0], "the next best passage of the same article");
    }

    #[test]
    fn an_article_is_also_found_by_the_questions_that_customers_ask() {
        let question = question(&[word("telephon", 1), word("number", 9)]);
        let asked = |article, words: &[&str]| Asked {
            article_id: id(article),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        let ranked = question.rank(
            &[candidate(1, 2, &[], &["number"])],
            &[asked(2, &["telephon", "number"]), asked(3, &["telephon"]), asked(3, &["number"])],
            &[],
        );
        let places: Vec<_> = ranked.iter().map(|passage| (passage.article_id, passage.position)).collect();
        assert_eq!(places, [(id(2), 1), (id(3), 1), (id(1), 2)], "words together count more");
    }

    #[test]
    fn a_question_about_other_things_has_no_answer() {
        let known = [word("deliveri", 1), word("intak", 1)];
        let both = candidate(1, 0, &["deliveri"], &["intak"]);
        assert!(question(&known).rank(&[both], &[], &[])[0].answers);
        // "Is the weather in Paris good for an order?"
        let far = question(&[word("weather", 0), word("pari", 0), word("order", 30)]);
        assert!(!far.rank(&[candidate(1, 0, &["order"], &["order"])], &[], &[])[0].answers);
        let common = question(&[word("order", 30)]);
        assert!(
            !common.rank(&[candidate(1, 0, &["order"], &["order"])], &[], &[])[0].answers,
            "one common word is no evidence"
        );
        // "How long does delivery take?"
        let short = question(&[word("deliveri", 11), word("long", 22), word("take", 25)]);
        assert!(short.rank(&[candidate(1, 0, &["deliveri"], &["long", "take"])], &[], &[])[0].answers);
        assert!(!short.rank(&[candidate(1, 0, &["deliveri"], &[])], &[], &[])[0].answers);
        let none = question(&[]);
        assert!(none.rank(&[], &[], &[]).is_empty());
        let alike = |likeness| [Alike { article_id: id(1), likeness }];
        assert!(!none.rank(&[], &[], &alike(0.5))[0].answers && none.rank(&[], &[], &alike(0.7))[0].answers);
    }

    #[test]
    fn words_of_articles_for_a_phrase_do_not_count_beside_the_phrase() {
        // "In which country are your servers?", where articles say status and incident for servers.
        let words = [word("countri", 0), word("server", 0), word("incid", 3), word("status", 3)];
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let answers = |said: &[&str], meant: &[&str], has: &[&str]| {
            let phrases = vec![Phrase { said: owned(&["server"]), meant: owned(meant) }];
            let said = Said { words: owned(said), phrases };
            Question::new(&words, 45, &said).rank(&[candidate(1, 0, &[], has)], &[], &[])[0].answers
        };
        let status = ["incid", "status"];
        assert!(!answers(&["countri", "server"], &status, &status), "the country is not covered");
        // "countri" is not among the words that were typed: it is a typing error that was mended.
        assert!(!answers(&["server"], &status, &status), "a mended word counts as the customer's");
        assert!(answers(&["countri", "server"], &status, &["countri", "incid", "status"]));
        assert!(
            answers(&["countri", "server"], &status, &["countri", "server"]),
            "the words themselves do too"
        );
        assert!(!answers(&["countri", "server"], &[], &["server"]), "a phrase that means nothing");
    }

    #[test]
    fn an_article_answers_by_its_words_and_the_likeness_of_its_questions_together() {
        let half = question(&[word("deliveri", 1), word("zebra", 1)]);
        let answers = |likeness| {
            let alike = [Alike { article_id: id(1), likeness }];
            half.rank(&[candidate(1, 0, &[], &["deliveri"])], &[], &alike)[0].answers
        };
        assert!(!answers(0.3) && answers(0.4));
        assert!(!half.rank(&[candidate(1, 0, &[], &["deliveri"])], &[], &[])[0].answers);
    }

    #[test]
    fn a_question_that_looks_like_another_one_is_not_answered_by_its_letters() {
        // "How do I unsubscribe from Spotify?"
        let spotify = question(&[word("unsubscrib", 4), word("spotifi", 0)]);
        let answers = |likeness| {
            let alike = [Alike { article_id: id(1), likeness }];
            spotify.rank(&[candidate(1, 0, &[], &["unsubscrib"])], &[], &alike)[0].answers
        };
        assert!(!answers(0.57), "what it is about is not covered");
        assert!(answers(SAME_QUESTION), "the same question");
    }
}
