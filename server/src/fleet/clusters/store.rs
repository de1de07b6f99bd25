//! SQL of what people declare about clusters.

use domain::fleet::{ClusterKind, ClusterSettings};
use sqlx::{Row, SqliteConnection, SqliteExecutor, SqlitePool};

use crate::error::StoreError;

/// A cluster as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterRecord {
    /// Unique in the installation.
    pub slug: String,
    /// Its system.
    pub system: String,
    /// What the system is for.
    pub environment: Option<String>,
    /// What was declared.
    pub settings: ClusterSettings,
}

const COLUMNS: &str = "cluster.slug, cluster.system, system.environment, cluster.kind, cluster.min_available, \
    cluster.role_order, cluster.notes, cluster.tags";

fn cluster(row: &sqlx::sqlite::SqliteRow) -> Result<ClusterRecord, StoreError> {
    let slug: String = row.get("slug");
    let corrupt = |detail: String| StoreError::Corrupt {
        what: format!("cluster {slug}"),
        detail,
    };
    let kind: String = row.get("kind");
    let min_available: Option<String> = row.get("min_available");
    let role_order: Option<String> = row.get("role_order");
    Ok(ClusterRecord {
        system: row.get("system"),
        environment: row.get("environment"),
        settings: ClusterSettings {
            kind: ClusterKind::from_stored(&kind)
                .ok_or_else(|| corrupt(format!("`{kind}` is no kind")))?,
            min_available: min_available
                .map(|text| text.parse())
                .transpose()
                .map_err(|error: domain::fleet::MinAvailableError| corrupt(error.to_string()))?,
            role_order: role_order
                .unwrap_or_default()
                .split(',')
                .map(str::trim)
                .filter(|role| !role.is_empty())
                .map(str::to_owned)
                .collect(),
            notes: row.get::<Option<String>, _>("notes").unwrap_or_default(),
            tags: row
                .get::<Option<String>, _>("tags")
                .map(|text| serde_json::from_str(&text))
                .transpose()
                .map_err(|error| corrupt(error.to_string()))?
                .unwrap_or_default(),
        },
        slug,
    })
}

/// All clusters, by system and slug.
///
/// # Errors
/// When the database refuses or a row is corrupt.
pub async fn list(pool: &SqlitePool) -> Result<Vec<ClusterRecord>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM cluster JOIN system ON system.slug = cluster.system ORDER BY cluster.system, cluster.slug"
    )))
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading clusters"))?;
    rows.iter().map(cluster).collect()
}

/// One cluster.
///
/// # Errors
/// When the database refuses or the row is corrupt.
pub async fn find(
    executor: impl SqliteExecutor<'_>,
    slug: &str,
) -> Result<Option<ClusterRecord>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM cluster JOIN system ON system.slug = cluster.system WHERE cluster.slug = $1"
    )))
    .bind(slug)
    .fetch_optional(executor)
    .await
    .map_err(StoreError::doing("reading a cluster"))?;
    row.as_ref().map(cluster).transpose()
}

/// Writes what was declared.
///
/// # Errors
/// When the database refuses.
pub async fn set_settings(
    connection: &mut SqliteConnection,
    slug: &str,
    settings: &ClusterSettings,
) -> Result<(), StoreError> {
    let tags = (!settings.tags.is_empty())
        .then(|| serde_json::to_string(&settings.tags))
        .transpose()
        .map_err(|error| StoreError::Corrupt {
            what: format!("tags of cluster {slug}"),
            detail: error.to_string(),
        })?;
    let or_null = |text: String| (!text.is_empty()).then_some(text);
    sqlx::query(
        "UPDATE cluster SET kind = $2, min_available = $3, role_order = $4, notes = $5, tags = $6 WHERE slug = $1",
    )
    .bind(slug)
    .bind(settings.kind.as_str())
    .bind(settings.min_available.map(|minimum| minimum.to_string()))
    .bind(or_null(settings.role_order.join(",")))
    .bind(or_null(settings.notes.clone()))
    .bind(tags)
    .execute(connection)
    .await
    .map_err(StoreError::doing("writing a cluster's settings"))?;
    Ok(())
}
