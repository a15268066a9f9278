//! Which operation a method and a path mean, for services that speak REST.

use serde_json::{Map, Value};

use super::service::Service;

/// Method, path, operation. What is in braces is a parameter, and what follows a question mark has to be in the query.
const ROUTES: &[(Service, &str, &str, &str)] = &[
    (Service::AccessAnalyzer, "GET", "analyzer", "ListAnalyzers"),
    (Service::AccessAnalyzer, "PUT", "analyzer", "CreateAnalyzer"),
    (
        Service::AccessAnalyzer,
        "GET",
        "analyzer/{analyzerName}",
        "GetAnalyzer",
    ),
    (
        Service::AccessAnalyzer,
        "DELETE",
        "analyzer/{analyzerName}",
        "DeleteAnalyzer",
    ),
    (Service::AccessAnalyzer, "POST", "finding", "ListFindings"),
    (Service::AccessAnalyzer, "PUT", "finding", "UpdateFindings"),
    (Service::AccessAnalyzer, "GET", "finding/{id}", "GetFinding"),
    (Service::AccessAnalyzer, "POST", "findingv2", "ListFindingsV2"),
    (Service::AccessAnalyzer, "GET", "findingv2/{id}", "GetFindingV2"),
    (
        Service::AccessAnalyzer,
        "POST",
        "recommendation/{id}",
        "GenerateFindingRecommendation",
    ),
    (
        Service::AccessAnalyzer,
        "GET",
        "recommendation/{id}",
        "GetFindingRecommendation",
    ),
    (
        Service::AccessAnalyzer,
        "POST",
        "policy/check-no-new-access",
        "CheckNoNewAccess",
    ),
    (Service::S3, "GET", "{Bucket}?acl", "GetBucketAcl"),
    (Service::S3, "GET", "{Bucket}?location", "GetBucketLocation"),
    (
        Service::S3,
        "GET",
        "{Bucket}?policyStatus",
        "GetBucketPolicyStatus",
    ),
    (
        Service::S3,
        "GET",
        "{Bucket}?publicAccessBlock",
        "GetPublicAccessBlock",
    ),
];

/// The operation and the parameters in the path.
pub(crate) fn route(
    service: Service,
    method: &str,
    path: &str,
    query: &str,
) -> Option<(&'static str, Map<String, Value>)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    ROUTES
        .iter()
        .filter(|(of, verb, ..)| *of == service && *verb == method)
        .find_map(|(_, _, pattern, operation)| Some((*operation, fit(pattern, &parts, query)?)))
}

fn fit(pattern: &str, parts: &[&str], query: &str) -> Option<Map<String, Value>> {
    let (pattern, needed) = pattern.split_once('?').unwrap_or((pattern, ""));
    let mut names = query
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or_default());
    let pattern: Vec<&str> = pattern.split('/').collect();
    if pattern.len() != parts.len() || !(needed.is_empty() || names.any(|name| name == needed)) {
        return None;
    }
    let mut parameters = Map::new();
    for (expected, part) in pattern.into_iter().zip(parts) {
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => {
                let decoded = percent_encoding::percent_decode_str(part).decode_utf8().ok()?;
                parameters.insert(name.to_owned(), Value::String(decoded.into_owned()));
            }
            None if expected == *part => {}
            None => return None,
        }
    }
    Some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_operations_and_their_parameters() {
        let of = |method, path| {
            let (operation, parameters) = route(Service::AccessAnalyzer, method, path, "")?;
            Some((operation, Value::Object(parameters).to_string()))
        };
        assert_eq!(of("PUT", "/analyzer"), Some(("CreateAnalyzer", "{}".to_owned())));
        assert_eq!(
            of("GET", "/analyzer/a%20b"),
            Some(("GetAnalyzer", r#"{"analyzerName":"a b"}"#.to_owned()))
        );
        assert_eq!(of("POST", "/analyzer"), None);
        assert_eq!(of("GET", "/analyzer/a/b"), None);
        assert_eq!(route(Service::Iam, "GET", "/analyzer", ""), None);
        let of_bucket = |query| route(Service::S3, "GET", "/bucket", query).map(|(operation, _)| operation);
        assert_eq!(of_bucket("x-id=1&acl="), Some("GetBucketAcl"));
        assert_eq!(of_bucket("policyStatus"), Some("GetBucketPolicyStatus"));
        assert_eq!(of_bucket(""), None);
    }
}
