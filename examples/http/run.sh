#!/bin/sh
# A run over HTTP with curl alone: send a file, run a snippet over it, look at the ending, fetch what it wrote.
# ISO_URL and ISO_TOKEN are what `iso-runtime serve` printed. Exits non-zero where something is not as it says.
set -eu

ask() {
  path=$1
  shift
  curl -sS --fail-with-body --retry 3 -H "Authorization: Bearer $ISO_TOKEN" "$@" "${ISO_URL%/}$path"
}

printf 'city,total\nLisbon,7\nPorto,5\n' | ask '/v1/workspace/files/in.csv?user=erin' -T - >/dev/null

result=$(ask '/v1/runs?user=erin' -H 'Content-Type: application/json' -H "Idempotency-Key: $$-$(date +%s)" -d @- <<'JSON'
{
  "code": "import csv, os\nbase = os.environ['OUTPUT_DIR']\nrows = list(csv.DictReader(open(base + '/in.csv')))\nopen(base + '/total.txt', 'w').write(str(sum(int(row['total']) for row in rows)))",
  "contract": [{ "path": "total.txt", "description": "the total of all cities" }]
}
JSON
)
case $result in
  *'"status":"succeeded"'*) echo "succeeded" ;;
  *) echo "$result"; exit 1 ;;
esac

total=$(ask '/v1/workspace/files/total.txt?user=erin')
echo "total: $total"
[ "$total" = 12 ]
