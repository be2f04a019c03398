# Reads the arguments of all processes over and over, as every local user may, and writes down which needle it met. Behind needles.pl.
#
# `met` gets a line "NUMBER ARGUMENTS" for each needle, and `polls` a byte for every thousand rounds.
my $met = notes('met');
my $polls = notes('polls');

for (my $round = 1; ; $round++) {
    opendir my $processes, '/proc' or die "/proc: $!";
    for my $process (grep { /^[0-9]/ } readdir $processes) {
        open my $file, '<', "/proc/$process/cmdline" or next;
        sysread $file, my $text, 65536 or next;
        meet($met, $text, $text =~ tr/\0\n/  /r);
    }
    syswrite $polls, '.' if $round % 1000 == 0;
}
