//! Finds the passage that answers a question, or finds that none does. It uses only PostgreSQL's full-text search, so each word
//! of an answer is in an article.

use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use crate::{
    domain::{
        facts::Facts,
        ranking::{Phrase, Question, Ranked, Said, Word},
        turn::Source,
        typing_error::meant,
        wording::{Reworded, Wordings},
    },
    store::{
        articles,
        passages::{self, Passage},
        words,
    },
};

/// How many passages are compared, and how many questions of articles.
const CANDIDATES: i32 = 500;
/// How many of the best articles are tried: one whose every passage has a placeholder that nothing is known for is left out.
const TRIED: usize = 3;
/// More words than these of a question are not looked at: a long text is no question.
const MOST_WORDS: usize = 60;
/// More characters than these are not compared with the questions of articles.
const MOST_CHARS: usize = 500;
/// More words than these are not compared with similar ones.
const MOST_MENDED: usize = 8;

/// An answer: a passage, and where it is from.
pub(crate) struct Answer {
    pub(crate) source: Source,
    pub(crate) quote: String,
    /// Whether no other passage fits better. One that does has a placeholder that nothing is known for.
    pub(crate) is_best: bool,
}

/// Finds the answer to a question. `None` if the articles do not have it.
pub(crate) async fn answer(
    conn: &mut PgConnection,
    wordings: &Wordings,
    question: &str,
    facts: &Facts,
) -> Result<Option<Answer>, DbError> {
    let ranked = rank(conn, wordings, question).await?;
    let mut is_best = true;
    for ranked in ranked.iter().take(TRIED).take_while(|ranked| ranked.answers) {
        let Some(article) = articles::get_by_id(conn, ranked.article_id).await? else { continue };
        let Ok(title) = facts.fill(&article.content.title) else {
            is_best = false;
            continue;
        };
        for found in best_first(conn, ranked).await? {
            if let Ok(quote) = facts.fill(&found.body) {
                let source =
                    Source { article_id: article.id, slug: article.slug, title, heading: found.heading };
                return Ok(Some(Answer { source, quote, is_best }));
            }
            is_best = false;
        }
    }
    Ok(None)
}

/// The passages of an article: those with words of the question, the best first, and then the others in their order.
async fn best_first(conn: &mut PgConnection, ranked: &Ranked) -> Result<Vec<Passage>, DbError> {
    let mut passages = passages::of_article(conn, ranked.article_id).await?;
    let place = |position: i32| {
        let mut places = std::iter::once(&ranked.position).chain(&ranked.others);
        places.position(|ranked| *ranked == position).unwrap_or(usize::MAX)
    };
    passages.sort_by_key(|(position, _)| place(*position));
    Ok(passages.into_iter().map(|(_, passage)| passage).collect())
}

/// The best passage of each article that has a word of the question, the best first.
pub(crate) async fn rank(
    conn: &mut PgConnection,
    wordings: &Wordings,
    question: &str,
) -> Result<Vec<Ranked>, DbError> {
    let whole: String = question.chars().take(MOST_CHARS).collect();
    let reworded = wordings.reword(question);
    let mut words = words::of_question(conn, &reworded.text()).await?;
    words.truncate(MOST_WORDS);
    mend(conn, &mut words).await?;
    let articles = words::articles_with(conn, "").await?;
    let question = Question::new(&words, articles, &said(conn, &reworded).await?);
    let lexemes = question.lexemes();
    let candidates = passages::find(conn, &lexemes, CANDIDATES).await?;
    let asked = passages::find_questions(conn, &lexemes, CANDIDATES).await?;
    let alike = passages::alike(conn, &whole).await?;
    Ok(question.rank(&candidates, &asked, &alike))
}

/// The words of a question without the words of its phrases.
async fn said(conn: &mut PgConnection, reworded: &Reworded<'_>) -> Result<Said, DbError> {
    let phrases = reworded.phrases.iter().flat_map(|phrase| [phrase.said.clone(), phrase.meant.clone()]);
    let texts: Vec<_> = std::iter::once(reworded.question.clone()).chain(phrases).collect();
    let mut lexemes = words::of_texts(conn, &texts).await?.into_iter();
    let words = lexemes.next().unwrap_or_default();
    let mut phrases = Vec::new();
    while let (Some(said), Some(meant)) = (lexemes.next(), lexemes.next()) {
        phrases.push(Phrase { said, meant });
    }
    Ok(Said { words, phrases })
}

/// Replaces words with typing errors.
async fn mend(conn: &mut PgConnection, words: &mut [Word]) -> Result<(), DbError> {
    let unknown = words.iter_mut().filter(|word| word.articles == 0).take(MOST_MENDED);
    for word in unknown {
        let similar = words::similar(conn, &word.lexeme).await?;
        if let Some(meant) = meant(&word.lexeme, similar.iter().map(String::as_str)) {
            let articles = words::articles_with(conn, meant).await?;
            *word = Word { lexeme: meant.to_owned(), articles };
        }
    }
    Ok(())
}
