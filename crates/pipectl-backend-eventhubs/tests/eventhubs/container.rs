//! The container that checkpoints go to.

use pipectl_peers::{AZURITE_ACCOUNT, AZURITE_KEY, Azurite, Peer};

use crate::support::{CONTAINER, http};

/// Azurite has no container at first; the object store client makes none, so a signed request does.
pub(crate) fn make(blobs: &Peer<Azurite>) {
    let script = format!(
        "import hmac,hashlib,base64,email.utils,urllib.request\n\
         date=email.utils.formatdate(usegmt=True)\n\
         text='PUT\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\nx-ms-date:'+date+'\\nx-ms-version:2021-08-06\\n/{AZURITE_ACCOUNT}/{AZURITE_ACCOUNT}/{CONTAINER}\\nrestype:container'\n\
         sig=base64.b64encode(hmac.new(base64.b64decode('{AZURITE_KEY}'),text.encode(),hashlib.sha256).digest()).decode()\n\
         print(date+'|'+sig)\n"
    );
    let output = std::process::Command::new("python3").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (date, signature) = text.trim().split_once('|').unwrap();
    let (status, answer) = http(
        "PUT",
        blobs.endpoint(),
        &format!("/{AZURITE_ACCOUNT}/{CONTAINER}?restype=container"),
        &[
            ("x-ms-date", date),
            ("x-ms-version", "2021-08-06"),
            ("Authorization", &format!("SharedKey {AZURITE_ACCOUNT}:{signature}")),
        ],
        "",
    );
    assert!(status == 201 || status == 409, "{status} {answer}");
}
