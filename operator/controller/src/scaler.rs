//! KEDA's way to a world's players: an external scaler. Triggers flow in, numbers flow out, and an error where there is none,
//! at which KEDA leaves everything as it is or does what the `fallback` of its ScaledObject says.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::census::{Census, Unknown};

/// The contract, generated from `proto/externalscaler.proto`, where every field is explained.
#[allow(missing_docs, clippy::pedantic)]
pub mod contract {
    tonic::include_proto!("externalscaler");
}

use contract::external_scaler_server::{ExternalScaler, ExternalScalerServer};
use contract::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec, MetricValue,
    ScaledObjectRef,
};

/// What is counted.
const METRIC: &str = "ccu";

/// Keys of a trigger's metadata.
const ZONE_SERVER: &str = "zoneServer";
const CCU_PER_ZONE: &str = "ccuPerZone";

/// Bytes of a question, at most.
const MAX_QUESTION_BYTES: usize = 64 << 10;

/// Questions of one connection at a time, and how long an answer may take.
const QUESTIONS_AT_ONCE: usize = 64;
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// How often somebody who only listens is asked whether they are still there.
const STILL_THERE_EVERY: Duration = Duration::from_secs(30);

/// Streams of one connection at a time.
const STREAMS: u32 = 1_024;

/// Between two looks whether a world has players.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Serves until it is dropped.
///
/// # Errors
/// When the connection to the network is lost.
pub async fn serve(listener: TcpListener, census: Census) -> Result<(), tonic::transport::Error> {
    let scaler = ExternalScalerServer::new(Scaler { census }).max_decoding_message_size(MAX_QUESTION_BYTES);
    Server::builder()
        .concurrency_limit_per_connection(QUESTIONS_AT_ONCE)
        .max_concurrent_streams(STREAMS)
        .timeout(ANSWERS_WITHIN)
        .http2_keepalive_interval(Some(STILL_THERE_EVERY))
        .http2_keepalive_timeout(Some(ANSWERS_WITHIN))
        .add_service(scaler)
        .serve_with_incoming(TcpListenerStream::new(listener))
        .await
}

#[derive(Debug)]
struct Scaler {
    census: Census,
}

type Activity = Pin<Box<dyn Stream<Item = Result<IsActiveResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ExternalScaler for Scaler {
    type StreamIsActiveStream = Activity;

    async fn is_active(&self, asked: Request<ScaledObjectRef>) -> Result<Response<IsActiveResponse>, Status> {
        let players = players(&self.census, asked.get_ref())?;
        Ok(Response::new(IsActiveResponse { result: players > 0 }))
    }

    async fn stream_is_active(&self, asked: Request<ScaledObjectRef>) -> Result<Response<Activity>, Status> {
        let (census, asked) = (self.census.clone(), asked.into_inner());
        zone_server(&asked.scaler_metadata)?;
        let told = stream::unfold(None, move |told: Option<bool>| {
            let (census, asked) = (census.clone(), asked.clone());
            async move {
                loop {
                    // Nothing is told of a number that is not known.
                    let active = players(&census, &asked).ok().map(|players| players > 0);
                    if active.is_some() && active != told {
                        return Some((Ok(IsActiveResponse { result: active == Some(true) }), active));
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        });
        Ok(Response::new(Box::pin(told)))
    }

    async fn get_metric_spec(
        &self,
        asked: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        let asked = asked.into_inner();
        zone_server(&asked.scaler_metadata)?;
        let target = ccu_per_zone(&asked.scaler_metadata)?;
        let spec =
            MetricSpec { metric_name: METRIC.to_owned(), target_size: target.into(), target_size_float: target.into() };
        Ok(Response::new(GetMetricSpecResponse { metric_specs: vec![spec] }))
    }

    async fn get_metrics(&self, asked: Request<GetMetricsRequest>) -> Result<Response<GetMetricsResponse>, Status> {
        let asked = asked.into_inner().scaled_object_ref.unwrap_or_default();
        let players = players(&self.census, &asked)?;
        let value = MetricValue {
            metric_name: METRIC.to_owned(),
            metric_value: players.into(),
            metric_value_float: players.into(),
        };
        Ok(Response::new(GetMetricsResponse { metric_values: vec![value] }))
    }
}

fn players(census: &Census, asked: &ScaledObjectRef) -> Result<u32, Status> {
    let name = zone_server(&asked.scaler_metadata)?;
    census.players(&asked.namespace, name).map_err(|error| match error {
        Unknown::NoZoneServer { .. } => Status::not_found(error.to_string()),
        Unknown::NotCounted { .. } | Unknown::NobodyCounts { .. } => Status::unavailable(error.to_string()),
    })
}

fn zone_server(metadata: &HashMap<String, String>) -> Result<&str, Status> {
    let named = metadata.get(ZONE_SERVER).map(String::as_str).filter(|name| !name.is_empty());
    named.ok_or_else(|| Status::invalid_argument(format!("metadata.{ZONE_SERVER} is missing: name the ZoneServer")))
}

fn ccu_per_zone(metadata: &HashMap<String, String>) -> Result<u32, Status> {
    let problem = || {
        let given = metadata.get(CCU_PER_ZONE).map_or("missing", String::as_str);
        Status::invalid_argument(format!(
            "metadata.{CCU_PER_ZONE} is {given}: give the players that one zone is for, like \"400\""
        ))
    };
    metadata.get(CCU_PER_ZONE).and_then(|text| text.parse().ok()).filter(|number| *number > 0).ok_or_else(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(fields: &[(&str, &str)]) -> HashMap<String, String> {
        fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_trigger_that_says_too_little_is_told_which_field() {
        let message = |status: Status| status.message().to_owned();
        let nothing = metadata(&[]);
        assert_eq!(
            zone_server(&nothing).map_err(message),
            Err("metadata.zoneServer is missing: name the ZoneServer".into())
        );
        for given in ["0", "-1", "many", ""] {
            let refused = ccu_per_zone(&metadata(&[("ccuPerZone", given)])).map_err(message).expect_err("no number");
            assert!(refused.starts_with(&format!("metadata.ccuPerZone is {given}")), "{refused}");
        }
        assert!(ccu_per_zone(&metadata(&[])).is_err());
        assert_eq!(ccu_per_zone(&metadata(&[("ccuPerZone", "400")])).map_err(message), Ok(400));
    }
}
