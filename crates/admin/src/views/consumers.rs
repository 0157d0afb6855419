use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who calls, as a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Consumer {
    /// Its name, unique.
    pub name: String,
    /// The plan whose limits it is held to.
    pub plan: Option<String>,
    /// When it was made.
    pub created_ms: i64,
}

/// Every consumer, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Consumers {
    /// The consumers.
    pub consumers: Vec<Consumer>,
    /// There are more than one answer holds.
    pub truncated: bool,
}

/// A consumer to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsumerCreate {
    /// 1 to 64 letters, digits, `.`, `_` or `-`.
    pub name: String,
    /// A plan of the configuration.
    #[serde(default)]
    pub plan: Option<String>,
}

/// The plan a consumer is put on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsumerPlan {
    /// A plan of the configuration; `null` takes the consumer off every plan. Must be written: leaving it out by mistake
    /// must not take anybody's limits away.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required)]
    pub plan: Option<String>,
}

/// What went with a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsumerRemoved {
    /// As it was.
    pub consumer: Consumer,
    /// The ids of its keys, which are refused from now on.
    pub keys: Vec<String>,
}

// === impl Consumer ===

impl From<callgate_model::Consumer> for Consumer {
    fn from(consumer: callgate_model::Consumer) -> Consumer {
        Consumer { name: consumer.name, plan: consumer.plan, created_ms: consumer.created_ms }
    }
}
