//! The samples of the templates: data with which a mail can be shown.

use levqor_runtime::error::Violations;
use minijinja::{Error, ErrorKind};
use prost_reflect::DynamicMessage;

use super::{MarketingLinks, Rendered, Template, Templates};
use crate::domain::{link::Link, locale::Locale};

/// The samples of `templates/`, by name: `order_welcome`, and `order_welcome.<case>` for another case.
pub(super) const SAMPLES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/samples.rs"));

impl Template {
    /// The names of the samples: the template's name, and `<template>.<case>` for other cases.
    pub fn samples(&self) -> impl Iterator<Item = &'static str> {
        let name = self.name();
        SAMPLES.iter().map(|(sample, _)| *sample).filter(move |sample| sample.split('.').next() == Some(name))
    }

    /// The data of a sample.
    pub(super) fn sample(&self, sample: &str) -> Option<DynamicMessage> {
        let (_, json) = SAMPLES.iter().find(|(name, _)| *name == sample)?;
        let message = self.descriptor.kind().as_message()?.clone();
        DynamicMessage::deserialize(message, &mut serde_json::Deserializer::from_str(json)).ok()
    }
}

impl Templates {
    /// The template of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Template> {
        self.iter().find(|template| template.name() == name)
    }

    /// Renders a sample of a template, for people who look at it. The links of an advertising mail lead to example.com.
    pub fn preview(
        &self,
        template: &Template,
        sample: &str,
        locale: &'static Locale,
    ) -> Result<Rendered, Error> {
        let data = template.sample(sample);
        let mut violations = Violations::new();
        let content = data.and_then(|data| Self::content(template, &data, locale, &mut violations));
        let broken = || Error::new(ErrorKind::InvalidOperation, "the sample is not the data of its template");
        self.render(&content.ok_or_else(broken)?, MarketingLinks::example().as_ref())
    }
}

impl MarketingLinks {
    /// Links that lead nowhere, for samples.
    pub(super) fn example() -> Option<Self> {
        let link = |text: &str| text.parse::<Link>().ok();
        Some(Self {
            preferences: link("https://example.com/preferences?token=sample")?,
            unsubscribe: link("https://example.com/unsubscribe?token=sample")?,
        })
    }
}
