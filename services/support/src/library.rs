//! The knowledge base. Each process that starts stores the articles that come with the service, unless their hash is stored already.

use chrono::TimeDelta;
use levqor_runtime::db::{Db, DbError, Tx};
use tokio::sync::OnceCell;

use crate::{
    domain::article::{ArticleId, Malformed, Origin, Shipped, State},
    store::{
        article_versions,
        articles::{self, Article},
        passages, words,
    },
};

/// The files of the folder `articles`, by name.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/articles.rs"));

/// The articles that come with the service.
pub(crate) struct Library {
    shipped: Vec<Shipped>,
    stored: OnceCell<()>,
}

/// A file of the folder `articles` cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the article {name} cannot be read")]
pub(crate) struct BadArticle {
    name: &'static str,
    #[source]
    source: Malformed,
}

impl Library {
    /// Reads the articles that come with the service.
    pub(crate) fn try_new() -> Result<Self, BadArticle> {
        let read = |&(name, text): &(&'static str, &str)| {
            Shipped::read(name, text).map_err(|source| BadArticle { name, source })
        };
        Ok(Self { shipped: FILES.iter().map(read).collect::<Result<_, _>>()?, stored: OnceCell::new() })
    }

    /// How many articles come with the service.
    pub(crate) fn len(&self) -> usize {
        self.shipped.len()
    }

    /// Stores the articles, unless this process has done it already.
    pub(crate) async fn ready(&self, db: &Db) -> Result<(), DbError> {
        self.stored.get_or_try_init(|| self.store(db)).await?;
        Ok(())
    }

    /// Stores every article that changed, and unpublishes those that no longer come with the service. What staff wrote stays.
    async fn store(&self, db: &Db) -> Result<(), DbError> {
        let mut tx = db.begin().await?;
        articles::lock_all(&mut tx).await?;
        let mut changed = false;
        for (place, shipped) in (0..).zip(&self.shipped) {
            changed |= store_one(&mut tx, place, shipped).await?;
        }
        for slug in articles::shipped(&mut tx).await? {
            if !self.shipped.iter().any(|shipped| shipped.slug == slug)
                && let Some(mut article) = articles::get(&mut tx, &slug).await?
            {
                article.state = State::Unpublished;
                save(&mut tx, &mut article).await?;
                changed = true;
            }
        }
        if changed {
            words::recount(&mut tx).await?;
        }
        tx.commit().await
    }
}

/// Stores an article that is part of the binary. Returns whether anything changed. `place`: its place among them by name.
async fn store_one(tx: &mut Tx, place: i64, shipped: &Shipped) -> Result<bool, DbError> {
    let Some(mut article) = articles::get(tx, &shipped.slug).await? else {
        let now = tx.now().await?;
        let article = Article {
            // The id decides between articles that fit a question equally well: in each database in the same way.
            id: ArticleId::new_at(now + TimeDelta::milliseconds(place)),
            slug: shipped.slug.clone(),
            origin: Origin::Shipped,
            state: State::Published,
            version: 1,
            content: shipped.content.clone(),
            create_time: now,
            update_time: now,
        };
        articles::insert(tx, &article).await?;
        article_versions::insert(tx, &article).await?;
        passages::replace(tx, article.id, &article.content).await?;
        return Ok(true);
    };
    if article.origin == Origin::Staff || article.content.hash() == shipped.content.hash() {
        return Ok(false);
    }
    article.content = shipped.content.clone();
    add_version(tx, &mut article).await?;
    Ok(true)
}

/// Stores the changed content of an article as its next version. The words must be counted after it.
pub(crate) async fn add_version(tx: &mut Tx, article: &mut Article) -> Result<(), DbError> {
    article.version += 1;
    article.update_time = tx.now().await?;
    article_versions::insert(tx, article).await?;
    save(tx, article).await
}

/// Saves an article and its passages. The words must be counted after it.
pub(crate) async fn save(tx: &mut Tx, article: &mut Article) -> Result<(), DbError> {
    article.update_time = tx.now().await?;
    articles::update(tx, article).await?;
    match article.state {
        State::Published => passages::replace(tx, article.id, &article.content).await,
        State::Unpublished => passages::remove(tx, article.id).await,
    }
}

/// The placeholders in the articles that come with the service.
#[cfg(test)]
pub(crate) fn placeholders() -> Vec<String> {
    FILES.iter().flat_map(|(_, text)| crate::domain::facts::names(text)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::markdown;

    #[test]
    fn every_article_can_be_read_and_has_passages() {
        let library = Library::try_new().expect("articles");
        assert!(library.len() >= 40, "{}", library.len());
        for article in &library.shipped {
            let passages = markdown::passages(&article.content.body);
            assert!(!passages.is_empty(), "{}", article.slug.as_str());
            for passage in passages {
                let length = passage.body.chars().count();
                assert!(length <= 2_000, "a passage of {} has {length} characters", article.slug.as_str());
            }
        }
    }

    #[test]
    fn no_article_names_an_amount_by_itself() {
        for article in &Library::try_new().expect("articles").shipped {
            let content = &article.content;
            for text in [&content.title, &content.summary, &content.body] {
                let own = text.split("{{").map(|part| part.split_once("}}").map_or(part, |(_, rest)| rest));
                let own: String = own.collect();
                // The numbers of a list are not figures.
                let lines = own
                    .lines()
                    .map(|line| line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()));
                let amount = |c: char| c.is_ascii_digit() || "£$€".contains(c);
                let named: Vec<_> = lines.filter(|line| line.contains(amount)).collect();
                assert!(named.is_empty(), "{} names {named:?}: use a placeholder", article.slug.as_str());
            }
        }
    }
}
