package alerting_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// faults maps every row of the catalogue of faults that is about alerts, what is kept of them and their delivery to the tests that show what
// happens then. A folder is relative to this one; a test without one is here.
var faults = []struct {
	id, fault string
	tests     []string
}{
	{"F44", "a burst, one odd day", []string{"TestNext", "TestStreakIgnoresTheSchedule", "FuzzNext"}},
	{"F45", "sits on the line", []string{"TestFlapping", "TestNextDoesNotDependOnTheSchedule"}},
	{"F57", "SIGKILL at any instruction", []string{"../cmd/internal/daemon TestKilledBetweenDurableSteps", "../cmd/internal/daemon TestSoak", "../cmd/internal/store TestKill"}},
	{"F58", "killed between sent and recorded", []string{"../cmd/internal/daemon TestKilledBetweenDurableSteps", "TestFailedWrites"}},
	{"F59", "killed between decided and queued", []string{"../cmd/internal/daemon TestKilledBetweenDurableSteps", "TestFailedWrites", "TestAnswerIsOneTransaction"}},
	{"F60", "a restart announces everything again", []string{"TestAnnouncedOnceAcrossRestarts"}},
	{"F61", "a restart begins confirmation anew", []string{"TestAnnouncedOnceAcrossRestarts"}},
	{"F62", "the disk is full", []string{"TestNothingMovesWithoutTheDisk", "../cmd/internal/daemon TestSoak", "../cmd/internal/store TestFullDisk"}},
	{"F63", "damaged or foreign data file", []string{
		"TestCorruptRowsArePutAside", "FuzzLoad", "../cmd/internal/store TestTruncatedFile", "../cmd/internal/store TestFlippedBits",
		"../cmd/internal/store TestForeignFilesArePutAside", "../cmd/internal/store FuzzOpen",
	}},
	{"F64", "an error of fsync", []string{"TestFailedWrites", "../cmd/internal/store TestSystemErrorsAreNotDamage"}},
	{"F65", "power loss in a write", []string{"../cmd/internal/store TestKill", "../cmd/internal/store TestTruncatedFile"}},
	{"F66", "newer or older data file", []string{"../cmd/internal/store TestNewerSchemaIsRefusedUntouched", "../cmd/internal/store TestOlderSchemaIsCopiedThenMigrated"}},
	{"F67", "two processes on one data file", []string{"../cmd/internal/store TestSecondProcessIsRefused", "../cmd/tipline TestReportBesideTheDaemon"}},
	{"F68", "state grows for ever", []string{"TestForgottenWorkloads", "../cmd/internal/ledger TestCompact", "../cmd/internal/daemon TestForget"}},
	{"F69", "restored from an old backup", []string{"TestOldMessagesAreNotSent"}},
	{"F70", "429 with every kind of Retry-After", []string{"post TestJSON", "slack TestSendErrors", "TestDeliver"}},
	{"F71", "accepted, but the answer is lost", []string{"slack TestRepeatIsLookedForFirst", "TestDeliverLooksForAWhile", "TestBlindAttemptsAreBounded"}},
	{"F72", "an outage of hours", []string{"TestOutboxAfterAnOutage", "TestSupersededIsMerged"}},
	{"F73", "refused, no such host", []string{"post TestBrokenConnections", "slack TestUnreachable"}},
	{"F74", "broken before and after the request was written", []string{"post TestBrokenConnections", "slack TestSendErrors"}},
	{"F75", "status 200 that is no success", []string{"slack TestSendErrors"}},
	{"F76", "errors that a person must put right", []string{"slack TestDocumentedCodes", "TestDeliver", "TestChannelsDoNotWaitForEachOther"}},
	{"F77", "the reason is in the body", []string{"slack TestSendErrors", "slack TestHistoryIsNotQuoted"}},
	{"F78", "a message that is too long", []string{"slack TestCutsAreShown", "slack FuzzBlocks"}},
	{"F79", "markup in names", []string{"slack TestHostileNames", "words FuzzText", "templates TestTemplateOfHostileValues"}},
	{"F80", "hundreds cross at once", []string{"TestStorm", "../cmd/internal/daemon TestPriceChangeIsOneMessage"}},
	{"F81", "a message overtakes another", []string{"TestDeliver", "TestOutboxAfterAnOutage"}},
	{"F82", "deleted parents, closed edits", []string{"slack TestOneMessageADecision"}},
	{"F83", "a token that rotates", []string{"slack TestUnreachable"}},
	{"F84", "missing scope, bot not in the channel", []string{"../cmd/tipline TestNotify", "slack TestRepeatIsLookedForFirst"}},
	{"F85", "a receiver that only speaks like Slack", []string{"slack TestRepeatIsLookedForFirst", "slack TestWorkspacesWithoutCharts", "TestDeliver"}},
	{"F86", "forged or replayed presses", []string{"slack TestHostilePresses", "../cmd/internal/daemon TestPressesAreChecked", "webhook TestVerify"}},
	{"F87", "a bad configuration or template at reload", []string{"../cmd/internal/daemon TestReload", "../cmd/internal/daemon TestTemplateThatBreaks", "../cmd/tipline TestRun"}},
	{"F88", "reload in mid run", []string{"../cmd/internal/daemon TestSoak", "../cmd/internal/daemon TestServe"}},
	{"F89", "a workload that is watched no more", []string{"../cmd/internal/daemon TestNothingStandsThatIsPricedElsewhere", "../cmd/internal/daemon TestDigestTellsNewAndVanished"}},
	{"F90", "a panic in a template, a message, an evaluation", []string{
		"templates FuzzTemplate", "TestPanicOfANotifier", "../cmd/internal/daemon TestPanicSpoilsOneWorkload", "../cmd/tipline TestSecretsStayInside",
	}},
	{"F92", "SIGTERM", []string{"../cmd/tipline TestRun"}},
	{"F97", "secrets in errors, logs, pages and data", []string{"../cmd/tipline TestSecretsStayInside", "post TestBrokenConnections", "slack TestSendErrors"}},
	{"F98", "script in names", []string{"../cmd/internal/web TestPageEscapesNames"}},
	{"F100", "redirects to other hosts", []string{"post TestJSON", "slack TestSendErrors"}},
	{"F101", "series of workloads that are gone", []string{"../cmd/internal/gauges TestWorkloadThatIsGoneIsNotExported"}},
	{"F103", "unknown exported as 0", []string{"../cmd/internal/gauges TestUnknownHasNoSeries"}},
}

// TestFaultsHaveTests holds that the tests that faults names are there.
func TestFaultsHaveTests(t *testing.T) {
	t.Parallel()
	sources := map[string]string{}
	for _, f := range faults {
		for _, test := range f.tests {
			folder, name := ".", test
			if in, rest, elsewhere := strings.Cut(test, " "); elsewhere {
				folder, name = in, rest
			}
			if sources[folder] == "" {
				files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
				if err != nil {
					t.Fatal(err)
				}
				for _, file := range files {
					text, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					sources[folder] += string(text)
				}
			}
			if !strings.Contains(sources[folder], "\nfunc "+name+"(") {
				t.Errorf("%s, %s: %s has no %s", f.id, f.fault, folder, name)
			}
		}
	}
}
