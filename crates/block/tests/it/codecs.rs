//! Codecs: the fixtures of the IPLD project, and bytes that break one rule each.

use bytes::Bytes;
use cidlake_block::codec::{dag_cbor, dag_pb, links};
use cidlake_block::{Block, Codec, UnverifiedBlock, parse_cid};
use ipld_core::ipld::Ipld;

use crate::data;

#[test]
fn published_fixtures_decode_and_encode_to_the_same_cid() {
    let Some(folder) = data("codec-fixtures") else {
        return;
    };
    let (mut cbor, mut pb) = (0, 0);
    for fixture in std::fs::read_dir(folder).unwrap() {
        for file in std::fs::read_dir(fixture.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let bytes = Bytes::from(std::fs::read(&path).unwrap());
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let verify = || {
                let cid = parse_cid(&name).unwrap();
                UnverifiedBlock { cid, data: bytes.clone() }.verify().unwrap()
            };
            let again = match path.extension().and_then(|extension| extension.to_str()) {
                Some("dag-cbor") => {
                    cbor += 1;
                    let block = verify();
                    links(&block).unwrap();
                    dag_cbor::encode(&dag_cbor::decode::<Ipld>(block.data()).unwrap()).unwrap()
                }
                Some("dag-pb") => {
                    pb += 1;
                    dag_pb::Node::decode(verify().data()).unwrap().encode()
                }
                _ => continue,
            };
            assert_eq!(again, bytes, "{}", path.display());
        }
    }
    assert!(cbor >= 100 && pb >= 17, "only {cbor} DAG-CBOR and {pb} DAG-PB fixtures were found");
}

#[test]
fn what_breaks_a_rule_of_dag_cbor_is_refused() {
    let deep = [vec![0x81; 200], vec![0x00]].concat();
    let cases: &[(&str, &[u8])] = &[
        ("empty", &[]),
        ("cut short", &[0x82, 0x01]),
        ("trailing byte", &[0x01, 0x01]),
        ("number in more bytes than needed", &[0x18, 0x01]),
        ("length in more bytes than needed", &[0x58, 0x01, 0x00]),
        ("indefinite list", &[0x9f, 0x01, 0xff]),
        ("indefinite text", &[0x7f, 0x61, 0x61, 0xff]),
        ("keys out of order", &[0xa2, 0x61, 0x62, 0x01, 0x61, 0x61, 0x01]),
        ("longer key first", &[0xa2, 0x62, 0x61, 0x61, 0x01, 0x61, 0x62, 0x01]),
        ("key twice", &[0xa2, 0x61, 0x61, 0x01, 0x61, 0x61, 0x02]),
        ("key that is a number", &[0xa1, 0x01, 0x01]),
        ("tag other than 42", &[0xc1, 0x01]),
        ("not a number", &[0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]),
        ("infinity", &[0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]),
        ("half precision", &[0xf9, 0x3c, 0x00]),
        ("undefined", &[0xf7]),
        ("text that is not UTF-8", &[0x61, 0xff]),
        ("a length beyond the end", &[0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("a list longer than any", &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("nested too deeply", &deep),
    ];
    for (rule, bytes) in cases {
        assert!(dag_cbor::check(bytes).is_err(), "{rule}");
        assert!(dag_cbor::decode::<Ipld>(bytes).is_err(), "{rule}");
    }
}

#[test]
fn what_breaks_a_rule_of_dag_pb_is_refused() {
    let cid = Block::new(Codec::Raw, Bytes::from_static(b"x")).cid().to_bytes();
    let field = |tag: u8, body: &[u8]| [&[tag, body.len() as u8], body].concat();
    let hash = field(0x0a, &cid);
    let link = |parts: &[&[u8]]| field(0x12, &parts.concat());
    let name = field(0x12, b"n");
    let good = [link(&[&hash, &name, &[0x18, 5]]), field(0x0a, b"data")].concat();
    assert!(dag_pb::Node::decode(&good.into()).is_ok());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("data before links", [field(0x0a, b"d"), link(&[&hash])].concat()),
        ("data twice", [field(0x0a, b"d"), field(0x0a, b"e")].concat()),
        ("unknown field", field(0x1a, b"x")),
        ("name before hash", link(&[&name, &hash])),
        ("hash twice", link(&[&hash, &hash])),
        ("no hash", link(&[&name])),
        ("unknown field of a link", link(&[&hash, &field(0x22, b"x")])),
        ("a CID that is none", link(&[&field(0x0a, b"nonsense")])),
        ("name that is not UTF-8", link(&[&hash, &field(0x12, &[0xff])])),
        ("cut short", vec![0x0a, 5, 1]),
        ("fixed-width field", vec![0x09, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("length in more bytes than needed", vec![0x0a, 0x81, 0x00, 1]),
    ];
    for (rule, bytes) in cases {
        assert!(dag_pb::Node::decode(&bytes.into()).is_err(), "{rule}");
    }
}

#[test]
fn an_absent_name_and_an_empty_one_stay_apart() {
    let cid = *Block::new(Codec::Raw, Bytes::from_static(b"x")).cid();
    for name in [None, Some(String::new()), Some("n".to_owned())] {
        let link = dag_pb::Link { cid, name, tsize: None };
        let node = dag_pb::Node { links: vec![link], data: None };
        assert_eq!(dag_pb::Node::decode(&node.encode()).unwrap(), node);
    }
}

#[test]
fn links_come_in_the_order_of_the_bytes() {
    let cid = |text: &'static str| *Block::new(Codec::Raw, text.into()).cid();
    let value = Ipld::Map(
        [("bb", cid("second")), ("a", cid("first")), ("cc", cid("third"))]
            .map(|(key, cid)| (key.to_owned(), Ipld::Link(cid)))
            .into(),
    );
    let block = dag_cbor::block(&value).unwrap();
    assert_eq!(links(&block).unwrap(), [cid("first"), cid("second"), cid("third")]);
}
