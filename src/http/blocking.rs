//! Runs what blocks, such as a look at the machine, off the async workers.

use actix_web::web;

use super::error::HttpError;

/// Runs a function on a thread that may block, and returns what it returns.
///
/// The function goes on if the request is abandoned.
///
/// # Errors
/// The function panicked.
pub(super) async fn run_blocking<T: Send + 'static>(
    function: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HttpError> {
    // The threads end only with the whole program.
    web::block(function).await.map_err(|_| HttpError::Panic)
}
