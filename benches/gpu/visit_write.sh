# Part of visit.sh: from parts/ to visit.txt and visit.json. A part NN-NAME has `.end` (name, seconds, code, how it ended), `.command`, `.txt` (what it
# printed) and, where it left a record of `wgpo bench`, `.json`.

# note TEXT: a remark for the head of the summary.
note() { printf '%s\n' "$1" >>"$out/parts/notes"; }

# Plain text without colours, names of people, machines and folders.
clean() {
    local to_text=cat host
    command -v iconv >/dev/null && to_text='iconv -c -f UTF-8 -t UTF-8'
    host=$(uname -n)
    $to_text 2>/dev/null | sed -e $'s/\033\\[[0-9;]*[A-Za-z]//g' -e $'s/.*\r\\(.\\)/\\1/' -e "s|$out/runs/||g; s|$out/||g; s|$here/||g; s|$(dirname "$wgpo")/||g" \
        -e "s|${HOME:-/nonexistent}|~|g" -e "s|\\b$host\\b|HOST|g" | tr -d '\000-\010\013-\037'
}

# The command as it can be typed again beside the script.
shown() {
    local text="$*"
    text=${text//"$wgpo"/wgpo}
    text=${text//"$peers/"/peers/}
    text=${text//"$python"/python3}
    printf '%s\n' "$text" | sed 's/^bash -c machine$/wgpo info/'
}

# JSON's text of standard input.
quoted() { sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e $'s/\t/\\\\t/g' | awk '{ all = all (NR > 1 ? "\\n" : "") $0 } END { printf "\"%s\"", all }'; }

# Of a record: lines `row wall-ms device-ms roof-share`, `-` for what was not measured.
rows_of() {
    awk '
        function value(text) { sub(/^[^:]*: /, "", text); sub(/,$/, "", text); gsub(/"/, "", text); return (text == "null" ? "-" : text) }
        function ms(text) { return (text == "-" ? "-" : sprintf("%.6g", 1000 * text)) }
        function flush_row() { if (row != "") print row, ms(wall), ms(own), roof; row = "" }
        /^      "name": / { flush_row(); row = value($0); wall = own = roof = "-"; part = "" }
        /^      "seconds": \{/ { part = "own" }
        /^      "wall_seconds": \{/ { part = "wall" }
        /^        "median": / && part == "own" { own = value($0); part = "" }
        /^        "median": / && part == "wall" { wall = value($0); part = "" }
        /^      "roof_share": / { roof = value($0) }
        END { flush_row() }
    ' "$1"
}

# All that was timed: lines `column row ms roof`, column by part, turns beside each other.
timed() {
    local file name
    for file in "$out"/parts/*.json; do
        [[ -e $file ]] || continue
        name=${file##*/[0-9][0-9]-}
        name=${name%.json}
        rows_of "$file" | awk -v column="${name%-[0-9]}" '{ print column, $1, $2, $4 }'
    done
    for file in "$out"/parts/*-jax*.txt "$out"/parts/*-torch*.txt; do
        [[ -e $file ]] || continue
        name=${file##*/[0-9][0-9]-}
        name=${name%.txt}
        name=${name/-train/}
        sed -n 's/^{"row": "\([^"]*\)", "median_ms": \([-+0-9.e]*\),.*/\1 \2/p' "$file" | sed 's|^train/256x128 |train/cartpole |' |
            awk -v column="${name%-[0-9]}" '{ print column, $1, $2, "-" }'
    done
}

# The medians over turns, in a table; ratios are peer over wgpo, so above 1 where wgpo is faster.
table() {
    awk '
        function median(list, n, i, j, x, a) {
            n = split(list, a, " ")
            for (i = 2; i <= n; i++) { x = a[i] + 0; for (j = i - 1; j > 0 && a[j] + 0 > x; j--) a[j + 1] = a[j]; a[j + 1] = x }
            return n % 2 ? a[(n + 1) / 2] + 0 : (a[n / 2] + a[n / 2 + 1]) / 2
        }
        function cell(key) { return key in all ? sprintf("%10.3f", median(all[key])) : sprintf("%10s", "-") }
        function ratio(key, over) { return (key in all) && (over in all) ? sprintf("%9.2f", median(all[key]) / median(all[over])) : sprintf("%9s", "-") }
        $3 != "-" { key = $1 SUBSEP $2; all[key] = all[key] " " $3 }
        $4 != "-" { roof[$1, $2] = $4 }
        !($2 in seen) && $2 !~ /^kernel\// { seen[$2] = 1; names[++count] = $2 }
        { columns[$1] = 1 }
        END {
            if (!count) exit
            print "ms a run by the host'"'"'s clock, and the time of the others over it (above 1: wgpo is faster)"
            printf "%-24s%10s%8s%10s%10s%10s%9s%9s%10s\n", "", "wgpo", "roof", "JAX", "PyTorch", "compiled", "JAX", "PyTorch", "compiled"
            for (i = 1; i <= count; i++) {
                row = names[i]; own = "bench" SUBSEP row
                if (!(own in all)) own = "bench-updates" SUBSEP row
                share = own in roof ? roof[own] : "-"
                printf "%-24s%s%8s", row, cell(own), share == "-" ? "-" : sprintf("%.3g%%", 100 * share)
                printf "%s%s%s", cell("jax" SUBSEP row), cell("torch" SUBSEP row), cell("torch-graph" SUBSEP row)
                printf "%s%s%s\n", ratio("jax" SUBSEP row, own), ratio("torch" SUBSEP row, own), ratio("torch-graph" SUBSEP row, own)
            }
            kinds = split("plain direct staged fused", kind, " ")
            for (k = 1; k <= kinds; k++) any = any || ("bench-" kind[k]) in columns
            if (!any) exit
            printf "\nms a run by kind of kernels\n%-24s", ""
            for (k = 1; k <= kinds; k++) printf "%10s", kind[k]
            print ""
            for (i = 1; i <= count; i++) {
                line = ""; found = 0
                for (k = 1; k <= kinds; k++) { key = "bench-" kind[k] SUBSEP names[i]; line = line cell(key); found = found || key in all }
                if (found) printf "%-24s%s\n", names[i], line
            }
        }
    '
}

# Share of the roof of single kernels: the nearest and the farthest ones.
kernels() {
    awk '$1 == "bench-kernels" && $2 ~ /^kernel\// && $4 != "-" { printf "%.4f %s %s\n", $4, $2, $3 }' | sort -rn | awk '
        { line[NR] = sprintf("  %6.1f%%  %-48s %10.4f ms", 100 * $1, $2, $3) }
        END {
            if (!NR) exit
            print "\nkernels nearest to the roof, and farthest from it, of " NR
            for (i = 1; i <= 8 && i <= NR; i++) print line[i]
            for (i = NR > 16 ? NR - 7 : 9; i <= NR; i++) print line[i]
        }
    '
}

summary() {
    local file
    printf 'wgpo visit, %s: %s of %s s\n' "$date" "$((SECONDS - began))" "$deadline"
    [[ ! -s $out/parts/notes ]] || sed 's/^/note: /' "$out/parts/notes"
    for file in "$out"/parts/*-info.txt; do
        [[ ! -s $file ]] || grep -E '^(wgpo|processor|system|Vulkan loader|no adapter|[0-9]+: |  driver: |`--backend auto|NVIDIA)' "$file"
    done
    for file in "$out"/parts/*-check.txt; do
        [[ ! -s $file ]] || printf 'check: %s\n' "$(tail -1 "$file")"
    done
    for file in "$out"/parts/*-bench-1.txt; do
        [[ ! -s $file ]] || grep -E '^(limits|costs): ' "$file" | tail -2
    done
    for file in "$out"/parts/*-jax-1.txt "$out"/parts/*-torch-1.txt "$out"/parts/*-torch-graph.txt; do
        [[ ! -s $file ]] || sed -n 's/^{"peer": "\([^"]*\)", "version": "\([^"]*\)", "device": "\([^"]*\)".*/peer: \1 \2 on \3/p' "$file"
    done
    timed >"$out/parts/timed"
    printf '\n'
    table <"$out/parts/timed"
    kernels <"$out/parts/timed"
    printf '\nlearning\n'
    for file in "$out"/parts/*-train-*.txt; do
        [[ -s $file && $file != *jax* && $file != *torch* ]] || continue
        printf '  %-24s%s\n' "$(basename "${file##*/[0-9][0-9]-}" .txt)" "$(grep -E '^(solved|all steps|learnt|not solved|error)' "$file" | head -1)"
        sed -n 's/^backend: .*; \([a-z]* kernels, .*\)$/                          \1/p' "$file"
    done
    printf '\nhow the parts ended\n'
    cat "$out"/parts/*.end 2>/dev/null | awk -F '\t' '
        $4 !~ /^left out/ { printf "  %-24s%6s s  %s\n", $1, $2, $4; next }
        !($4 in names) { whys[++count] = $4 }
        { names[$4] = names[$4] " " $1 }
        END { for (i = 1; i <= count; i++) printf "  %s:%s\n", whys[i], names[whys[i]] }
    '
}

as_text() {
    local file
    cat "$out/parts/summary"
    printf '\n== parts\n'
    for file in "$out"/parts/*.txt; do
        [[ -e $file ]] || continue
        printf '\n== %s\n$ %s\n' "$(basename "$file" .txt)" "$(cat "${file%.txt}.command")"
        cat "$file"
    done
}

# Records are written in the parts' order, and left out where the whole would come to more than a megabyte.
as_json() {
    local file base name seconds code end comma='' total=0 bytes text
    printf '{"format":1,"date":"%s","seconds":%s,"of_seconds":%s,\n"summary":' "$date" "$((SECONDS - began))" "$deadline"
    quoted <"$out/parts/summary"
    printf ',\n"parts":['
    for file in "$out"/parts/*.end; do
        [[ -e $file ]] || continue
        base=${file%.end}
        IFS=$'\t' read -r name seconds code end <"$file"
        printf '%s\n{"name":"%s","seconds":%s,"code":%s,"end":%s' "$comma" "$name" "$seconds" "$code" "$(printf '%s\n' "$end" | quoted)"
        comma=,
        [[ ! -e $base.command ]] || printf ',"command":%s' "$(quoted <"$base.command")"
        text=$base.txt
        if [[ $name == jax* || $name == torch* ]]; then
            [[ ! -e $text ]] || printf ',"rows":[%s]' "$(grep '^{.*}$' "$text" | awk '{ printf "%s%s", (NR > 1 ? "," : ""), $0 }')"
            [[ ! -e $text ]] || printf ',"text":%s' "$(grep -v '^{.*}$' "$text" | quoted)"
        elif [[ -e $text && ! -e $base.json ]]; then
            printf ',"text":%s' "$(quoted <"$text")"
        fi
        if [[ -e $base.json ]]; then
            bytes=$(sed 's/^ *//' "$base.json" | wc -c)
            total=$((total + bytes))
            if ((total < 800000)); then
                printf ',"record":'
                sed 's/^ *//' "$base.json" | tr -d '\n'
            else
                printf ',"record":null'
            fi
        fi
        printf '}'
    done
    printf '\n]}\n'
}

# Both files, whole, in place of the last ones.
write() {
    summary >"$out/parts/summary"
    as_text | head -c 900000 >"$out/visit.txt.new" && mv "$out/visit.txt.new" "$out/visit.txt"
    as_json >"$out/visit.json.new" && mv "$out/visit.json.new" "$out/visit.json"
}
