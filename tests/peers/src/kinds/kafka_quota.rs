//! The order with which a Kafka broker is told how fast its users may write (KIP-546).

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        AlterClientQuotasRequest, AlterClientQuotasResponse, ApiKey, RequestHeader, ResponseHeader,
        alter_client_quotas_request::{EntityData, EntryData, OpData},
    },
    protocol::{Decodable as _, Encodable as _, HeaderVersion as _, StrBytes},
};

const VERSION: i16 = 1;
const PATIENCE: Duration = Duration::from_secs(10);

/// For the users of every name, at the listener without a guard.
pub(super) fn limit_writes(port: u16, bytes_per_second: Option<u32>) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(text)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(text)?;
    stream.write_all(&order(bytes_per_second).map_err(|error| error.to_string())?).map_err(text)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(text)?;
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).map_err(text)?;
    let answer = read(Bytes::from(answer)).map_err(|error| error.to_string())?;
    let refused = answer.entries.iter().find(|entry| entry.error_code != 0);
    refused.map_or(Ok(()), |entry| Err(format!("error {}: {:?}", entry.error_code, entry.error_message)))
}

fn order(bytes_per_second: Option<u32>) -> Result<Vec<u8>, impl std::fmt::Display> {
    let all_users = EntityData::default().with_entity_type(StrBytes::from_static_str("user")).with_entity_name(None);
    let limit = OpData::default()
        .with_key(StrBytes::from_static_str("producer_byte_rate"))
        .with_value(bytes_per_second.unwrap_or_default().into())
        .with_remove(bytes_per_second.is_none());
    let entry = EntryData::default().with_entity(vec![all_users]).with_ops(vec![limit]);
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    let header = RequestHeader::default()
        .with_request_api_key(ApiKey::AlterClientQuotas as i16)
        .with_request_api_version(VERSION)
        .with_client_id(Some(StrBytes::from_static_str("peers")));
    let mut body = BytesMut::new();
    let written = header.encode(&mut body, AlterClientQuotasRequest::header_version(VERSION));
    written.and_then(|()| request.encode(&mut body, VERSION)).map(|()| {
        let mut framed = (body.len() as u32).to_be_bytes().to_vec();
        framed.extend_from_slice(body.chunk());
        framed
    })
}

fn read(mut answer: Bytes) -> Result<AlterClientQuotasResponse, impl std::fmt::Display> {
    ResponseHeader::decode(&mut answer, AlterClientQuotasResponse::header_version(VERSION))
        .and_then(|_| AlterClientQuotasResponse::decode(&mut answer, VERSION))
}
