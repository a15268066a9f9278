//! `/owners` and `/configuration`.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde_json::Value;

use super::{Frame, Moment, html};
use crate::web::Web;
use crate::web::guard::{Right, Routes};
use crate::web::problem::Problem;
use crate::web::view::{self, OwnerRow};
use crate::web::visitor::Visitor;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/owners", Right::View, owners)
        .get("/configuration", Right::View, configuration)
}

#[derive(Template)]
#[template(path = "web/templates/owners.html")]
struct OwnersPage {
    frame: Frame,
    /// With the value by which the findings of the owner are asked for.
    rows: Vec<(OwnerRow, String)>,
}

async fn owners(State(web): State<Web>, visitor: Visitor) -> Result<Response, Problem> {
    let rows = view::owners(&web).await?;
    let row = |row: OwnerRow| {
        let asked = row.owner.clone().unwrap_or_else(|| view::NOBODY.to_owned());
        let asked = url::form_urlencoded::byte_serialize(asked.as_bytes()).collect();
        let owner = row.owner.as_deref().map(view::shown);
        (OwnerRow { owner, ..row }, asked)
    };
    html(&OwnersPage {
        frame: Frame::of(&web, &visitor, "/owners", "Owners").await?,
        rows: rows.into_iter().map(row).collect(),
    })
}

#[derive(Template)]
#[template(path = "web/templates/configuration.html")]
struct ConfigurationPage {
    frame: Frame,
    digest: String,
    sections: Vec<(String, String)>,
    read: Moment,
}

async fn configuration(State(web): State<Web>, visitor: Visitor) -> Result<Response, Problem> {
    let shown = view::configuration(&web)?;
    let Value::Object(mut all) = without_nulls(shown) else {
        return Err(Problem::Failed);
    };
    let written = |value: &Value| {
        toml::to_string(value).map_err(|error| Problem::failed("the configuration cannot be shown", &error))
    };
    let mut sections = Vec::new();
    let plain: Vec<_> = all
        .iter()
        .filter(|(_, value)| !value.is_object() && !value.is_array())
        .map(|(name, _)| name.clone())
        .collect();
    let plain: serde_json::Map<_, _> = plain
        .into_iter()
        .filter_map(|name| all.remove_entry(&name))
        .collect();
    sections.push(("general".to_owned(), written(&Value::Object(plain))?));
    if let Some(Value::Object(rules)) = all.remove("rules") {
        for (name, settings) in rules {
            let one = serde_json::json!({"rules": {name.as_str(): settings}});
            sections.push((format!("rules.{name}"), written(&one)?));
        }
    }
    for (name, value) in all {
        let one = serde_json::json!({name.as_str(): value});
        sections.push((name, written(&one)?));
    }
    let config = web.house().config;
    html(&ConfigurationPage {
        frame: Frame::of(&web, &visitor, "/configuration", "Configuration").await?,
        digest: config.digest().as_str().to_owned(),
        sections: sections
            .into_iter()
            .map(|(name, text)| (name, view::shown_lines(&text)))
            .collect(),
        read: Moment::of(web.clock.now(), web.clock.now()),
    })
}

/// TOML has no null: what is unset is not there.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(without_nulls).collect()),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}
