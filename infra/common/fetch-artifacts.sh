#!/bin/sh
# usage: fetch-artifacts.sh LOCK SET... : fetch the files of some sets of the artifact lock with Maven, each set into
# a folder of its name, and compare every file with the sha256 of the lock. The same lock serves the embedded engine.
set -eu

lock=$1
shift

# The lock is JSON as `json.dumps(indent=1)` writes it, one value a line. Prints "SET SHA256 COORDINATE" a line.
files_of() {
    awk -v wanted="$*" '
        BEGIN { split(wanted, names, " "); for (i in names) want[names[i]] = 1 }
        /^ "files"/ { part = "files" }
        /^ "sets"/ { part = "sets" }
        { match($0, /^ */); depth = RLENGTH; gsub(/^ *"|",?$|": [\[{]$/, "") }
        part == "files" && depth == 2 && $0 !~ /^ *}/ { coordinate = $0 }
        part == "files" && depth == 3 && sub(/^sha256": "/, "") { sha256[coordinate] = $0 }
        part == "sets" && depth == 2 && $0 !~ /^ *}/ { set = $0 }
        part == "sets" && depth == 3 { list = $0 }
        part == "sets" && depth == 4 && list == "files" && set in want { order[++count] = set " " $0 }
        END {
            for (i = 1; i <= count; i++) { split(order[i], item, " "); print item[1], sha256[item[2]], item[2] }
            exit count == 0
        }
    ' "$lock"
}

# One Maven run for a set: an empty project whose only goal copies the named files.
project() {
    echo '<project><modelVersion>4.0.0</modelVersion><groupId>stack</groupId><artifactId>artifacts</artifactId>'
    echo '<version>1</version><packaging>pom</packaging><build><plugins><plugin>'
    echo '<groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId>'
    echo '<version>3.9.0</version><configuration><artifactItems>'
    while read -r _ _ coordinate; do
        echo "$coordinate" | awk -F: '{
            printf "<artifactItem><groupId>%s</groupId><artifactId>%s</artifactId><type>%s</type>", $1, $2, $3
            if (NF == 5) printf "<classifier>%s</classifier>", $4
            printf "<version>%s</version></artifactItem>\n", $NF
        }'
    done
    echo '</artifactItems></configuration></plugin></plugins></build></project>'
}

for set in "$@"; do
    files_of "$set" > "$set.list"
    mkdir -p "$set"
    project < "$set.list" > pom.xml
    mvn --batch-mode --quiet dependency:copy "-DoutputDirectory=$PWD/$set"
    awk -v folder="$set" '{
        count = split($3, part, ":")
        print $2 "  " folder "/" part[2] "-" part[count] (count == 5 ? "-" part[4] : "") "." part[3]
    }' "$set.list" | sha256sum -c -
done
