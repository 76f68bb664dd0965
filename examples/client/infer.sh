#!/bin/sh
# Pays for one inference with curl: asks for an offer, has the local chain's account sign it, and sends it with the payment.
# Needs curl, base64 and node (to put JSON together). The account must hold OPG and have approved Permit2.
set -eu
gateway=${GATEWAY:-http://127.0.0.1:8402}
chain=${RPC_URL:-http://127.0.0.1:8545}
payer=${PAYER:-0x14dC79964da2C08b23698B3D3cc7Ca32193d9955}

folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cd "$folder"
send() { curl --silent --show-error --header 'content-type: application/json' "$@"; }
json() { node -p "const read = (file) => JSON.parse(fs.readFileSync(file)); JSON.stringify($1)"; }

# 1. The request: a black picture of a line of text, 3 colours, 48 by 320 pixels, float32.
pixels=$(head -c 184320 /dev/zero | base64 | tr -d '\n')
x="{\"dtype\":\"float32\",\"shape\":[1,3,48,320],\"data\":\"$pixels\"}"
printf '{"model":"ppocr-recogniser","payer":"%s","inputs":{"x":%s}}' "$payer" "$x" >request

# 2. The offer: 402 with the unsigned task and the document to sign.
send --data @request "$gateway/v1/infer" >offer

# 3. The signature of the payer, whose key the local chain holds.
json "{ jsonrpc: '2.0', id: 1, method: 'eth_signTypedData_v4',
  params: ['$payer', read('offer').accepts[0].extra.typedData] }" >signing
send --data @signing "$chain" >signed

# 4. The payment: what was offered, what was signed, and the signature.
json "(({ resource, accepts: [accepted] }, { result: signature }) => {
  const { task, typedData } = accepted.extra;
  const { permitted, spender, nonce, deadline } = typedData.message;
  const permit2Authorization = { from: task.payer, permitted, spender, nonce, deadline, witness: task };
  return { x402Version: 2, resource, accepted, payload: { signature, permit2Authorization } };
})(read('offer'), read('signed'))" >payment

# 5. The same request again, paid: the outputs and the receipt.
send --data @request --header "PAYMENT-SIGNATURE: $(base64 <payment | tr -d '\n')" "$gateway/v1/infer"
echo
