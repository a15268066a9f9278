//! The operations that iamwarden calls, named as IAM actions: the Reader and Writer put these names into errors and
//! counts, and [`super::permissions`] builds the least policy from the same names.

/// `GetCallerIdentity` (STS): needs no permission.
pub const GET_CALLER_IDENTITY: &str = "sts:GetCallerIdentity";
/// `AssumeRole` (STS).
pub const ASSUME_ROLE: &str = "sts:AssumeRole";
/// `GetSecretValue` (Secrets Manager).
pub const GET_SECRET_VALUE: &str = "secretsmanager:GetSecretValue";

/// `GetAccountAuthorizationDetails`.
pub const GET_ACCOUNT_AUTHORIZATION_DETAILS: &str = "iam:GetAccountAuthorizationDetails";
/// `GenerateCredentialReport`.
pub const GENERATE_CREDENTIAL_REPORT: &str = "iam:GenerateCredentialReport";
/// `GetCredentialReport`.
pub const GET_CREDENTIAL_REPORT: &str = "iam:GetCredentialReport";
/// `ListAccessKeys`.
pub const LIST_ACCESS_KEYS: &str = "iam:ListAccessKeys";
/// `GetAccessKeyLastUsed`.
pub const GET_ACCESS_KEY_LAST_USED: &str = "iam:GetAccessKeyLastUsed";
/// `GetLoginProfile`.
pub const GET_LOGIN_PROFILE: &str = "iam:GetLoginProfile";
/// `ListMFADevices`.
pub const LIST_MFA_DEVICES: &str = "iam:ListMFADevices";
/// `GetUser`.
pub const GET_USER: &str = "iam:GetUser";
/// `GetAccountPasswordPolicy`.
pub const GET_ACCOUNT_PASSWORD_POLICY: &str = "iam:GetAccountPasswordPolicy";
/// `GenerateServiceLastAccessedDetails`.
pub const GENERATE_SERVICE_LAST_ACCESSED_DETAILS: &str = "iam:GenerateServiceLastAccessedDetails";
/// `GetServiceLastAccessedDetails`.
pub const GET_SERVICE_LAST_ACCESSED_DETAILS: &str = "iam:GetServiceLastAccessedDetails";
/// `ListAttachedUserPolicies`.
pub const LIST_ATTACHED_USER_POLICIES: &str = "iam:ListAttachedUserPolicies";
/// `ListAttachedGroupPolicies`.
pub const LIST_ATTACHED_GROUP_POLICIES: &str = "iam:ListAttachedGroupPolicies";
/// `ListAttachedRolePolicies`.
pub const LIST_ATTACHED_ROLE_POLICIES: &str = "iam:ListAttachedRolePolicies";
/// `GetGroup`.
pub const GET_GROUP: &str = "iam:GetGroup";
/// `GetPolicy`.
pub const GET_POLICY: &str = "iam:GetPolicy";
/// `GetPolicyVersion`.
pub const GET_POLICY_VERSION: &str = "iam:GetPolicyVersion";

/// `UpdateAccessKey`.
pub const UPDATE_ACCESS_KEY: &str = "iam:UpdateAccessKey";
/// `DeleteAccessKey`.
pub const DELETE_ACCESS_KEY: &str = "iam:DeleteAccessKey";
/// `UpdateAccountPasswordPolicy`.
pub const UPDATE_ACCOUNT_PASSWORD_POLICY: &str = "iam:UpdateAccountPasswordPolicy";
/// `DeleteAccountPasswordPolicy`.
pub const DELETE_ACCOUNT_PASSWORD_POLICY: &str = "iam:DeleteAccountPasswordPolicy";
/// `DetachUserPolicy`.
pub const DETACH_USER_POLICY: &str = "iam:DetachUserPolicy";
/// `DetachGroupPolicy`.
pub const DETACH_GROUP_POLICY: &str = "iam:DetachGroupPolicy";
/// `DetachRolePolicy`.
pub const DETACH_ROLE_POLICY: &str = "iam:DetachRolePolicy";
/// `AttachUserPolicy`.
pub const ATTACH_USER_POLICY: &str = "iam:AttachUserPolicy";
/// `AttachGroupPolicy`.
pub const ATTACH_GROUP_POLICY: &str = "iam:AttachGroupPolicy";
/// `AttachRolePolicy`.
pub const ATTACH_ROLE_POLICY: &str = "iam:AttachRolePolicy";

/// `GetUserPolicy`.
pub const GET_USER_POLICY: &str = "iam:GetUserPolicy";
/// `GetRolePolicy`.
pub const GET_ROLE_POLICY: &str = "iam:GetRolePolicy";
/// `GetRole`.
pub const GET_ROLE: &str = "iam:GetRole";
/// `PutUserPolicy`.
pub const PUT_USER_POLICY: &str = "iam:PutUserPolicy";
/// `PutRolePolicy`.
pub const PUT_ROLE_POLICY: &str = "iam:PutRolePolicy";
/// `DeleteUserPolicy`.
pub const DELETE_USER_POLICY: &str = "iam:DeleteUserPolicy";
/// `DeleteRolePolicy`.
pub const DELETE_ROLE_POLICY: &str = "iam:DeleteRolePolicy";
/// `DeleteLoginProfile`.
pub const DELETE_LOGIN_PROFILE: &str = "iam:DeleteLoginProfile";

/// `DescribeTrails` (CloudTrail).
pub const DESCRIBE_TRAILS: &str = "cloudtrail:DescribeTrails";
/// `GetTrailStatus` (CloudTrail).
pub const GET_TRAIL_STATUS: &str = "cloudtrail:GetTrailStatus";
/// `GetEventSelectors` (CloudTrail).
pub const GET_EVENT_SELECTORS: &str = "cloudtrail:GetEventSelectors";
/// `GetBucketPolicyStatus` (S3).
pub const GET_BUCKET_POLICY_STATUS: &str = "s3:GetBucketPolicyStatus";
/// `GetBucketAcl` (S3).
pub const GET_BUCKET_ACL: &str = "s3:GetBucketAcl";
/// `GetPublicAccessBlock` (S3), by the name that IAM has for it.
pub const GET_BUCKET_PUBLIC_ACCESS_BLOCK: &str = "s3:GetBucketPublicAccessBlock";
/// `StartLogging` (CloudTrail).
pub const START_LOGGING: &str = "cloudtrail:StartLogging";
/// `StopLogging` (CloudTrail).
pub const STOP_LOGGING: &str = "cloudtrail:StopLogging";
/// `UpdateTrail` (CloudTrail).
pub const UPDATE_TRAIL: &str = "cloudtrail:UpdateTrail";
/// `CreateTrail` (CloudTrail).
pub const CREATE_TRAIL: &str = "cloudtrail:CreateTrail";
/// `DeleteTrail` (CloudTrail).
pub const DELETE_TRAIL: &str = "cloudtrail:DeleteTrail";
/// `DescribeMetricFilters` (CloudWatch Logs).
pub const DESCRIBE_METRIC_FILTERS: &str = "logs:DescribeMetricFilters";
/// `DescribeAlarms` (CloudWatch).
pub const DESCRIBE_ALARMS: &str = "cloudwatch:DescribeAlarms";
/// `ListSubscriptionsByTopic` (SNS).
pub const LIST_SUBSCRIPTIONS_BY_TOPIC: &str = "sns:ListSubscriptionsByTopic";
/// `PutMetricFilter` (CloudWatch Logs).
pub const PUT_METRIC_FILTER: &str = "logs:PutMetricFilter";
/// `DeleteMetricFilter` (CloudWatch Logs).
pub const DELETE_METRIC_FILTER: &str = "logs:DeleteMetricFilter";
/// `PutMetricAlarm` (CloudWatch).
pub const PUT_METRIC_ALARM: &str = "cloudwatch:PutMetricAlarm";
/// `DeleteAlarms` (CloudWatch).
pub const DELETE_ALARMS: &str = "cloudwatch:DeleteAlarms";

/// `ListAnalyzers` (Access Analyzer).
pub const LIST_ANALYZERS: &str = "access-analyzer:ListAnalyzers";
/// `ListFindings` and `ListFindingsV2` (Access Analyzer), by the name that IAM has for both.
pub const LIST_FINDINGS: &str = "access-analyzer:ListFindings";
/// `GetFindingV2` (Access Analyzer), by the name that IAM has for it.
pub const GET_FINDING: &str = "access-analyzer:GetFinding";
/// `CreateAnalyzer` (Access Analyzer).
pub const CREATE_ANALYZER: &str = "access-analyzer:CreateAnalyzer";
/// `DeleteAnalyzer` (Access Analyzer).
pub const DELETE_ANALYZER: &str = "access-analyzer:DeleteAnalyzer";

/// `ListInstanceProfiles`.
pub const LIST_INSTANCE_PROFILES: &str = "iam:ListInstanceProfiles";
/// `GetInstanceProfile`.
pub const GET_INSTANCE_PROFILE: &str = "iam:GetInstanceProfile";
/// `DescribeInstances` (EC2).
pub const DESCRIBE_INSTANCES: &str = "ec2:DescribeInstances";
/// `DescribeIamInstanceProfileAssociations` (EC2).
pub const DESCRIBE_IAM_INSTANCE_PROFILE_ASSOCIATIONS: &str = "ec2:DescribeIamInstanceProfileAssociations";
/// `AssociateIamInstanceProfile` (EC2).
pub const ASSOCIATE_IAM_INSTANCE_PROFILE: &str = "ec2:AssociateIamInstanceProfile";
/// `DisassociateIamInstanceProfile` (EC2).
pub const DISASSOCIATE_IAM_INSTANCE_PROFILE: &str = "ec2:DisassociateIamInstanceProfile";

/// `GetAccountSummary`.
pub const GET_ACCOUNT_SUMMARY: &str = "iam:GetAccountSummary";
/// `ListVirtualMFADevices`.
pub const LIST_VIRTUAL_MFA_DEVICES: &str = "iam:ListVirtualMFADevices";

/// `ListSSHPublicKeys`.
pub const LIST_SSH_PUBLIC_KEYS: &str = "iam:ListSSHPublicKeys";
/// `ListSigningCertificates`.
pub const LIST_SIGNING_CERTIFICATES: &str = "iam:ListSigningCertificates";
/// `ListServiceSpecificCredentials`.
pub const LIST_SERVICE_SPECIFIC_CREDENTIALS: &str = "iam:ListServiceSpecificCredentials";

/// `ListAccounts` (Organizations).
pub const LIST_ACCOUNTS: &str = "organizations:ListAccounts";
/// `ListRoots` (Organizations).
pub const LIST_ROOTS: &str = "organizations:ListRoots";
/// `ListOrganizationalUnitsForParent` (Organizations).
pub const LIST_ORGANIZATIONAL_UNITS_FOR_PARENT: &str = "organizations:ListOrganizationalUnitsForParent";
/// `ListAccountsForParent` (Organizations).
pub const LIST_ACCOUNTS_FOR_PARENT: &str = "organizations:ListAccountsForParent";

/// Every operation that iamwarden ever calls.
pub const ALL: [&str; 76] = [
    GET_CALLER_IDENTITY,
    ASSUME_ROLE,
    GET_SECRET_VALUE,
    GET_ACCOUNT_AUTHORIZATION_DETAILS,
    GENERATE_CREDENTIAL_REPORT,
    GET_CREDENTIAL_REPORT,
    LIST_ACCESS_KEYS,
    GET_ACCESS_KEY_LAST_USED,
    GET_LOGIN_PROFILE,
    LIST_MFA_DEVICES,
    GET_USER,
    GET_ACCOUNT_PASSWORD_POLICY,
    GENERATE_SERVICE_LAST_ACCESSED_DETAILS,
    GET_SERVICE_LAST_ACCESSED_DETAILS,
    LIST_ATTACHED_USER_POLICIES,
    LIST_ATTACHED_GROUP_POLICIES,
    LIST_ATTACHED_ROLE_POLICIES,
    GET_GROUP,
    GET_POLICY,
    GET_POLICY_VERSION,
    UPDATE_ACCESS_KEY,
    DELETE_ACCESS_KEY,
    UPDATE_ACCOUNT_PASSWORD_POLICY,
    DELETE_ACCOUNT_PASSWORD_POLICY,
    DETACH_USER_POLICY,
    DETACH_GROUP_POLICY,
    DETACH_ROLE_POLICY,
    ATTACH_USER_POLICY,
    ATTACH_GROUP_POLICY,
    ATTACH_ROLE_POLICY,
    GET_USER_POLICY,
    GET_ROLE_POLICY,
    GET_ROLE,
    PUT_USER_POLICY,
    PUT_ROLE_POLICY,
    DELETE_USER_POLICY,
    DELETE_ROLE_POLICY,
    DELETE_LOGIN_PROFILE,
    DESCRIBE_TRAILS,
    GET_TRAIL_STATUS,
    GET_EVENT_SELECTORS,
    GET_BUCKET_POLICY_STATUS,
    GET_BUCKET_ACL,
    GET_BUCKET_PUBLIC_ACCESS_BLOCK,
    START_LOGGING,
    STOP_LOGGING,
    UPDATE_TRAIL,
    CREATE_TRAIL,
    DELETE_TRAIL,
    GET_ACCOUNT_SUMMARY,
    LIST_VIRTUAL_MFA_DEVICES,
    LIST_SSH_PUBLIC_KEYS,
    LIST_SIGNING_CERTIFICATES,
    LIST_SERVICE_SPECIFIC_CREDENTIALS,
    DESCRIBE_METRIC_FILTERS,
    DESCRIBE_ALARMS,
    LIST_SUBSCRIPTIONS_BY_TOPIC,
    PUT_METRIC_FILTER,
    DELETE_METRIC_FILTER,
    PUT_METRIC_ALARM,
    DELETE_ALARMS,
    LIST_ANALYZERS,
    LIST_FINDINGS,
    GET_FINDING,
    CREATE_ANALYZER,
    DELETE_ANALYZER,
    LIST_INSTANCE_PROFILES,
    GET_INSTANCE_PROFILE,
    DESCRIBE_INSTANCES,
    DESCRIBE_IAM_INSTANCE_PROFILE_ASSOCIATIONS,
    ASSOCIATE_IAM_INSTANCE_PROFILE,
    DISASSOCIATE_IAM_INSTANCE_PROFILE,
    LIST_ACCOUNTS,
    LIST_ROOTS,
    LIST_ORGANIZATIONAL_UNITS_FOR_PARENT,
    LIST_ACCOUNTS_FOR_PARENT,
];
