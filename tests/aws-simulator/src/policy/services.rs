//! The services Access Advisor knows here: a modest selection of the several hundred at AWS, and of the actions it tracks.

/// Namespace, name, and the tracked actions among its actions. Sorted by namespace.
pub(crate) static SERVICES: &[(&str, &str, &[&str])] = &[
    ("access-analyzer", "AWS IAM Access Analyzer", &[]),
    ("account", "AWS Account Management", &[]),
    ("acm", "AWS Certificate Manager", &[]),
    ("amplify", "AWS Amplify", &[]),
    ("apigateway", "Amazon API Gateway", &[]),
    ("application-autoscaling", "AWS Application Auto Scaling", &[]),
    ("appsync", "AWS AppSync", &[]),
    ("athena", "Amazon Athena", &[]),
    ("autoscaling", "Amazon EC2 Auto Scaling", &[]),
    ("aws-portal", "AWS Billing Console", &[]),
    ("backup", "AWS Backup", &[]),
    ("batch", "AWS Batch", &[]),
    ("bedrock", "Amazon Bedrock", &[]),
    ("budgets", "AWS Budget Service", &[]),
    ("ce", "AWS Cost Explorer Service", &[]),
    (
        "cloudformation",
        "AWS CloudFormation",
        &["CreateStack", "DeleteStack", "DescribeStacks", "UpdateStack"],
    ),
    ("cloudfront", "Amazon CloudFront", &[]),
    ("cloudtrail", "AWS CloudTrail", &[]),
    ("cloudwatch", "Amazon CloudWatch", &[]),
    ("codebuild", "AWS CodeBuild", &[]),
    ("codecommit", "AWS CodeCommit", &[]),
    ("codedeploy", "AWS CodeDeploy", &[]),
    ("codepipeline", "AWS CodePipeline", &[]),
    ("cognito-idp", "Amazon Cognito User Pools", &[]),
    ("config", "AWS Config", &[]),
    ("cur", "AWS Cost and Usage Report", &[]),
    ("dax", "Amazon DynamoDB Accelerator (DAX)", &[]),
    (
        "dynamodb",
        "Amazon DynamoDB",
        &["CreateTable", "DeleteTable", "DescribeTable", "ListTables"],
    ),
    ("ebs", "Amazon Elastic Block Store", &[]),
    (
        "ec2",
        "Amazon EC2",
        &[
            "AllocateAddress",
            "AuthorizeSecurityGroupIngress",
            "CreateSecurityGroup",
            "CreateVolume",
            "DeleteVolume",
            "RunInstances",
            "StartInstances",
            "StopInstances",
        ],
    ),
    ("ec2messages", "Amazon Message Delivery Service", &[]),
    (
        "ecr",
        "Amazon Elastic Container Registry",
        &["DescribeRepositories", "GetAuthorizationToken"],
    ),
    (
        "ecs",
        "Amazon Elastic Container Service",
        &[
            "CreateService",
            "DescribeServices",
            "RegisterTaskDefinition",
            "RunTask",
            "UpdateService",
        ],
    ),
    ("eks", "Amazon Elastic Kubernetes Service", &[]),
    ("elasticache", "Amazon ElastiCache", &[]),
    ("elasticfilesystem", "Amazon Elastic File System", &[]),
    ("elasticloadbalancing", "AWS Elastic Load Balancing", &[]),
    ("elasticmapreduce", "Amazon EMR", &[]),
    ("es", "Amazon OpenSearch Service", &[]),
    ("events", "Amazon EventBridge", &[]),
    ("firehose", "Amazon Kinesis Data Firehose", &[]),
    ("glacier", "Amazon S3 Glacier", &[]),
    ("glue", "AWS Glue", &[]),
    ("guardduty", "Amazon GuardDuty", &[]),
    ("health", "AWS Health APIs and Notifications", &[]),
    (
        "iam",
        "AWS Identity and Access Management",
        &[
            "AttachRolePolicy",
            "AttachUserPolicy",
            "CreateAccessKey",
            "CreatePolicy",
            "CreateRole",
            "CreateUser",
            "DeleteAccessKey",
            "DeleteRole",
            "DeleteUser",
            "DetachRolePolicy",
            "DetachUserPolicy",
            "GetRole",
            "GetUser",
            "ListAccessKeys",
            "ListRoles",
            "ListUsers",
            "UpdateAccessKey",
            "UpdateAccountPasswordPolicy",
        ],
    ),
    ("inspector2", "Amazon Inspector2", &[]),
    ("kinesis", "Amazon Kinesis", &[]),
    (
        "kms",
        "AWS Key Management Service",
        &[
            "CreateKey",
            "Decrypt",
            "DescribeKey",
            "Encrypt",
            "GenerateDataKey",
            "ListKeys",
            "ScheduleKeyDeletion",
        ],
    ),
    (
        "lambda",
        "AWS Lambda",
        &[
            "CreateFunction",
            "DeleteFunction",
            "GetFunction",
            "ListFunctions",
            "UpdateFunctionCode",
        ],
    ),
    ("logs", "Amazon CloudWatch Logs", &[]),
    ("oam", "Amazon CloudWatch Observability Access Manager", &[]),
    ("organizations", "AWS Organizations", &[]),
    ("pi", "AWS Performance Insights", &[]),
    ("quicksight", "Amazon QuickSight", &[]),
    (
        "rds",
        "Amazon RDS",
        &[
            "CreateDBSnapshot",
            "DeleteDBInstance",
            "DescribeDBInstances",
            "ModifyDBInstance",
        ],
    ),
    ("rds-data", "Amazon RDS Data API", &[]),
    ("redshift", "Amazon Redshift", &[]),
    ("resource-groups", "AWS Resource Groups", &[]),
    ("route53", "Amazon Route 53", &[]),
    ("rum", "AWS CloudWatch RUM", &[]),
    (
        "s3",
        "Amazon S3",
        &[
            "CreateBucket",
            "DeleteBucket",
            "DeleteBucketPolicy",
            "GetBucketPolicy",
            "ListAllMyBuckets",
            "PutBucketPolicy",
            "PutBucketVersioning",
        ],
    ),
    ("s3-object-lambda", "Amazon S3 Object Lambda", &[]),
    ("sagemaker", "Amazon SageMaker", &[]),
    ("scheduler", "Amazon EventBridge Scheduler", &[]),
    (
        "secretsmanager",
        "AWS Secrets Manager",
        &[
            "CreateSecret",
            "DeleteSecret",
            "DescribeSecret",
            "GetSecretValue",
            "ListSecrets",
        ],
    ),
    ("securityhub", "AWS Security Hub", &[]),
    ("servicediscovery", "AWS Cloud Map", &[]),
    ("servicequotas", "Service Quotas", &[]),
    ("ses", "Amazon Simple Email Service", &[]),
    ("sns", "Amazon SNS", &[]),
    (
        "sqs",
        "Amazon SQS",
        &["CreateQueue", "DeleteQueue", "GetQueueAttributes", "ListQueues"],
    ),
    (
        "ssm",
        "AWS Systems Manager",
        &[
            "DescribeParameters",
            "GetParameter",
            "GetParameters",
            "PutParameter",
            "SendCommand",
            "StartSession",
        ],
    ),
    (
        "ssmmessages",
        "Amazon Session Manager Message Gateway Service",
        &[],
    ),
    ("sso", "AWS IAM Identity Center", &[]),
    ("states", "AWS Step Functions", &[]),
    ("sts", "AWS Security Token Service", &["AssumeRole"]),
    ("support", "AWS Support", &[]),
    ("synthetics", "Amazon CloudWatch Synthetics", &[]),
    ("tag", "Amazon Resource Group Tagging API", &[]),
    ("transfer", "AWS Transfer Family", &[]),
    ("trustedadvisor", "AWS Trusted Advisor", &[]),
    ("waf", "AWS WAF", &[]),
    ("wafv2", "AWS WAF V2", &[]),
    ("xray", "AWS X-Ray", &[]),
];

/// The entry of a namespace.
pub(crate) fn service(
    namespace: &str,
) -> Option<&'static (&'static str, &'static str, &'static [&'static str])> {
    SERVICES
        .binary_search_by(|entry| entry.0.cmp(namespace))
        .ok()
        .map(|index| &SERVICES[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_can_be_searched() {
        assert!(SERVICES.is_sorted_by_key(|entry| entry.0));
        assert_eq!(service("s3").map(|entry| entry.1), Some("Amazon S3"));
        assert_eq!(service("nonsense"), None);
    }
}
