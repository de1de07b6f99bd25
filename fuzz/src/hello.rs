//! What arrives before there is a session: hello and enrollment at the server, their answers and the proof of the
//! server's key at the agent.

use protocol::handshake::{check_server, open_enroll, open_enroll_answer, open_hello};
use protocol::v1::Signed;
use protocol::v1::enroll::{EnrollAnswer, EnrollRequest, ServerProof};
use protocol::v1::hello::{Hello, HelloAnswer};
use protocol::wire;

use crate::report::again;
use crate::seeds;

const KEY: [u8; 32] = [7; 32];

pub fn seeds() -> Vec<Vec<u8>> {
    let names = ["hello", "enroll", "server_proof"];
    let mut seeds: Vec<Vec<u8>> = names.into_iter().flat_map(seeds::golden_bytes).collect();
    let inside: Vec<Vec<u8>> = seeds
        .iter()
        .filter_map(|bytes| wire::decode::<Signed>("signed", bytes).ok())
        .map(|signed| signed.payload)
        .collect();
    seeds.extend(inside);
    seeds
}

pub fn run(bytes: &[u8]) {
    open(bytes);
    // And as what was signed: a search does not find the lengths around it by itself.
    open(&wire::encode(&Signed {
        payload: bytes.to_vec(),
        signature: [0; 64],
        second_signature: Some([0; 64]),
    }));
    again::<Hello>(bytes);
    again::<HelloAnswer>(bytes);
    again::<EnrollRequest>(bytes);
    again::<EnrollAnswer>(bytes);
    again::<ServerProof>(bytes);
}

fn open(bytes: &[u8]) {
    if let Ok(unverified) = open_hello(bytes) {
        assert!(unverified.host_id().len() <= bytes.len());
        // Signed for nobody: no input finds a signature that holds.
        assert!(unverified.verify(&KEY, &KEY).is_err());
    }
    if let Ok(unverified) = open_enroll(&KEY, bytes) {
        assert!(unverified.verify(&KEY, &KEY).is_err());
    }
    assert!(open_enroll_answer(&KEY, b"what was asked", bytes).is_err());
    assert!(check_server(bytes, b"nonce", &[7; 16]).is_err());
}
