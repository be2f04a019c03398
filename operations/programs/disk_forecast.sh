#!/bin/sh
# Prints, for each file system that fills up, the days until it is full and its mount point: by the line through its use of the
# last week, and by the one through the newer half of it, whichever is later. So a single large file is no trend.
#
# $1: log of disk_log.sh
export LC_ALL=C
[ -f "$1" ] || exit 0
awk -v now="$(date +%s)" '
    NF >= 4 && $1 > now - 7 * 86400 && $1 <= now {
        place = $0
        sub(/^[^ ]+ [^ ]+ [^ ]+ /, "", place)
        count[place]++
        time[place, count[place]] = $1 - now
        used[place, count[place]] = $2
        free[place] = $3
    }
    # KiB a second, by the method of least squares.
    function slope(place, first, last,    i, n, x, y, xx, xy) {
        n = last - first + 1
        for (i = first; i <= last; i++) {
            x += time[place, i]; y += used[place, i]
            xx += time[place, i] ^ 2; xy += time[place, i] * used[place, i]
        }
        return n * xx == x * x ? 0 : (n * xy - x * y) / (n * xx - x * x)
    }
    END {
        for (place in count) {
            n = count[place]
            # Six notes and half a day are the least that shows a trend.
            if (n < 6 || time[place, n] - time[place, 1] < 43200) continue
            rate = slope(place, 1, n)
            newer = slope(place, int(n / 2) + 1, n)
            if (newer < rate) rate = newer
            if (rate > 0) printf "%d %s\n", free[place] / rate / 86400, place
        }
    }' "$1" | sort -n
