//! Reads the page of a scrape as Prometheus reads it.

use std::collections::BTreeMap;

/// One series with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// Its name.
    pub(crate) name: String,
    /// Its labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// Its value.
    pub(crate) value: f64,
    /// The trace of its exemplar.
    pub(crate) trace_id: Option<String>,
}

/// A whole page.
#[derive(Debug)]
pub(crate) struct Page(pub(crate) Vec<Sample>);

impl Page {
    /// Reads a page.
    pub(crate) fn read(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(sample).collect())
    }

    /// The sum of the series with this name that have these labels; none if there is none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|of| of == value))
        };
        let values: Vec<_> = self.0.iter().filter(fits).map(|sample| sample.value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// By how much series rose since an earlier page. A missing series counts as 0.
    pub(crate) fn rise(&self, since: &Self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.sum(name, labels).unwrap_or_default() - since.sum(name, labels).unwrap_or_default()
    }
}

/// `name{label="value",…} number # {trace_id="…",…} number time`
fn sample(line: &str) -> Sample {
    let (series, exemplar) =
        line.split_once(" # ").map_or((line, None), |(series, rest)| (series, Some(rest)));
    let (name, rest) = series.split_once('{').expect(line);
    let (pairs, value) = rest.rsplit_once("} ").expect(line);
    let pair = |pair: &str| {
        let (key, value) = pair.split_once("=\"").expect(line);
        (key.to_owned(), value.to_owned())
    };
    let labels = pairs.trim_end_matches('"').split("\",").filter(|text| !text.is_empty()).map(pair).collect();
    let trace_id = exemplar.and_then(|text| text.split('"').nth(1)).map(str::to_owned);
    Sample { name: name.to_owned(), labels, value: value.parse().expect(line), trace_id }
}
