//! The regions of the account's partition.

use super::filters::Filters;
use super::{Answer, invalid_value};
use crate::context::Context;
use crate::wire::xml::Xml;

pub(super) fn describe(cx: &mut Context<'_>) -> Answer {
    let asked = cx.query.numbered("RegionName");
    let all = cx.query.optional("AllRegions") == Some("true");
    let known = crate::region::of_partition(&cx.account.partition);
    if let Some(unknown) = asked
        .iter()
        .find(|name| !known.iter().any(|(known, _)| known == *name))
    {
        return Err(invalid_value(unknown, "region", "Invalid region provided."));
    }
    super::end_dry_run(cx)?;
    let suffix = if cx.account.partition == "aws-cn" {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    let endpoint = |name: &str| format!("ec2.{name}.{suffix}");
    let regions = known
        .iter()
        .map(|(name, opt_in)| (*name, status(*opt_in, cx.account.is_enabled(name))));
    let wanted = regions.filter(|(name, status)| {
        (asked.is_empty() || asked.contains(name)) && (all || *status != NOT_OPTED_IN)
    });
    let chosen = Filters::read(cx.query).choose(wanted, |(name, status), filter| match filter {
        "region-name" => Some(vec![(*name).to_owned()]),
        "opt-in-status" => Some(vec![(*status).to_owned()]),
        "endpoint" => Some(vec![endpoint(name)]),
        _ => None,
    })?;
    let mut xml = Xml::new();
    xml.items("regionInfo", chosen, |x, (name, status)| {
        x.text("regionName", name)
            .text("regionEndpoint", endpoint(name))
            .text("optInStatus", status);
    });
    Ok(xml)
}

const NOT_OPTED_IN: &str = "not-opted-in";

fn status(opt_in: bool, enabled: bool) -> &'static str {
    match (opt_in, enabled) {
        (false, _) => "opt-in-not-required",
        (true, true) => "opted-in",
        (true, false) => NOT_OPTED_IN,
    }
}
