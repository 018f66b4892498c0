package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// faults is the catalogue of what goes wrong in the field, each with the tests, after their folder, that show what happens then. One without a test says why.
var faults = []struct {
	id, fault string
	tests     []string
}{
	{"F01", "connection refused", []string{"collector TestF01_ServerStartsMidRun", "collector TestF01_Jitter", "collector TestOnTheWire", "cmd/internal/daemon TestServerDownAtStart"}},
	{"F02", "no such host, or another address for it", []string{"collector TestOnTheWire", "collector TestF02_AddressChange"}},
	{"F03", "hangs without a byte", []string{"collector TestOnTheWire", "collector TestSlowServer"}},
	{"F04", "a byte now and then", []string{"collector TestF04_Drip", "collector TestOnTheWire", "cmd/internal/daemon TestSourceSoak"}},
	{"F05", "cut in mid body", []string{"collector TestF05_CutAtEveryByte", "collector TestOnTheWire", "cmd/internal/daemon TestSourceSoak"}},
	{"F06", "huge body", []string{"collector TestFaults"}},
	{"F07", "compression bomb", []string{"collector TestFaults", "cmd/internal/daemon TestSourceSoak"}},
	{"F08", "429 and 503 with Retry-After", []string{"collector TestRetry"}},
	{"F09", "503 with plain text", []string{"collector TestFaults"}},
	{"F10", "a login page with status 200", []string{"collector TestFaults"}},
	{"F11", "redirect to another host", []string{"collector TestF11_RedirectsAreNotFollowed", "collector TestFaults"}},
	{"F12", "TLS: expired, wrong name, unknown authority, certificate wanted", []string{"collector TestF12_TLS"}},
	{"F13", "rotated token", []string{"cmd/internal/daemon TestF13_RotatedToken", "cmd/internal/daemon TestF13_RotatedWithinACollection"}},
	{"F14", "missing tenant, and the wrong one", []string{"collector TestAnswers", "collector TestNoDataAtAll", "cmd/internal/daemon TestF14_Tenants", "cmd/tipline-demo/servers TestF14_WrongTenant"}},
	{"F15", "one of several servers down", []string{"collector TestF15_OneQueryFails", "cmd/internal/daemon TestFaults", "cmd/internal/daemon TestF14_Tenants"}},
	{"F16", "POST refused", []string{"collector TestF16_PostRefused"}},
	{"F17", "retries pile up on a sick server", []string{
		"collector TestF17_SickServer", "collector TestF17_SickBesideTheHours", "collector TestF17_OneBudget", "collector TestF17_OneServer", "collector TestF17_HeavyQueries",
		"collector TestF17_RefusedOnce", "cmd/internal/daemon TestF17_SourcesOfOneServer", "cmd/internal/daemon TestHistoryIsReadBetweenCycles",
	}},
	{"F18", "Thanos answers partially", []string{"collector TestAnswers", "collector TestFaults", "collector TestQueriesAreWhatServersExpect"}},
	{"F19", "Thanos has forgotten a store", []string{
		"collector TestAnswers", "collector TestQueriesAreWhatServersExpect", "collector TestF19_StoreForgotten", "collector TestF19_StoreIsLostOnTheWay", "cmd/tipline-demo/servers TestF19_StoreKilled",
	}},
	{"F20", "what had data has none", []string{"collector TestF20_Vanished", "cmd/internal/daemon TestF20_RandomHistories", "cmd/internal/daemon TestFaults"}},
	{"F21", "VictoriaMetrics says isPartial", []string{"collector TestFaults"}},
	{"F22", "benign notes", []string{"collector TestFaults", "collector TestAnswers"}},
	{"F23", "several processes behind one /metrics", []string{"collector TestF23_Sawtooth", "collector TestHour"}},
	{"F24", "restart", []string{"collector TestHour", "cmd/tipline-demo/packs TestPacks"}},
	{"F25", "pods replaced all day", []string{"collector TestF25_AggregateOutside", "cmd/tipline-demo/packs TestPacks"}},
	{"F26", "the first value of a new series", []string{"cmd/tipline-demo/servers TestServers"}},
	{"F27", "windows of Prometheus 3 are left-open", []string{"cmd/tipline-demo/servers TestServers"}},
	{"F28", "windows shorter than two scrapes", []string{"cmd/tipline-demo/servers TestServers", "cmd/tipline-demo/packs TestF28_ScrapedSeldom"}},
	{"F29", "gap between scrapes", []string{"collector TestHour", "cmd/tipline-demo/packs TestPacks"}},
	{"F30", "late samples, an import seen half", []string{
		"collector TestAnHourIsAskedAgainUntilItIsComplete", "collector TestF31_LessThanBefore", "cmd/tipline-demo/servers TestF30_ImportSeenHalf",
	}},
	{"F31", "data beyond the reach of the querier", []string{
		"collector TestF31_LessThanBefore", "collector TestF31_Revised", "cmd/internal/daemon TestF31_RevisedDay",
	}},
	{"F32", "limit on the length of a query", []string{"collector TestF32_QueryLimit", "collector TestShortQueriesBridgeGaps", "collector TestAnswers", "cmd/tipline-demo/servers TestF32_QueryLimits"}},
	{"F33", "limits on points, samples and series", []string{
		"cmd/tipline-demo/servers TestF33_SampleLimit", "cmd/tipline-demo/servers TestF32_QueryLimits", "collector TestF32_QueryLimit", "collector TestAnswers", "collector TestQueriesAreWhatServersExpect", "collector TestCuts", "collector TestF33_CostsOfParts", "cmd/tipline-demo/servers TestF33_AnHourInParts",
	}},
	{"F34", "NaN and infinity", []string{"collector TestHour", "collector TestGPUs", "collector TestDaily", "collector FuzzDecodeQuery"}},
	{"F35", "unexpected type", []string{"collector TestAnswers", "collector TestFaults", "collector FuzzDecodeQuery"}},
	{"F36", "two series for one workload", []string{"collector TestReadAnswer", "collector TestAnswers"}},
	{"F37", "replicas of a server: stored together, two sources, or behind one address", []string{
		"cmd/tipline-demo/packs TestF37_ReplicaLabel", "cmd/tipline-demo/packs TestStoredByReplicas", "model/metering TestTwins", "model/metering TestHalvesAreNoTwins", "cmd/tipline-demo/servers TestF37_BalancedReplicas",
	}},
	{"F38", "metric renamed, misspelt, gone", []string{
		"cmd/tipline-demo/packs TestF38_NamesThatMatchNothing", "cmd/tipline-demo/packs TestF38_NamesThatWereThere", "cmd/tipline-demo/packs TestF38_OneQuery", "cmd/tipline TestF38_CheckLiveNames", "cmd/internal/daemon TestF38_MissingIsReported", "cmd/internal/web TestF38_PageShowsMissing",
		"collector TestF38_NamesThatAreTooMuch", "collector TestNoDataAtAll", "collector TestOutputThatVanishes", "cmd/tipline TestCheckLive",
	}},
	{"F39", "a gauge taken for a counter", []string{"cmd/tipline-demo/servers TestGaugeIsNoCounter", "collector TestF39_NotACounter", "cmd/tipline-demo/packs TestPacks", "collector TestF23_Sawtooth"}},
	{"F40", "token types overlap", []string{"cmd/tipline-demo/packs TestPacks"}},
	{"F41", "input without cached tokens", []string{"cmd/tipline-demo/packs TestPacks"}},
	{"F42", "GPUs without a pod", []string{"collector TestGPUs", "collector TestServingSharedGPUs", "cmd/tipline-demo/packs TestF42_GPUsOfWhichLittleIsKnown", "cmd/tipline-demo/packs TestF42_GPUsOfNoPod", "cmd/tipline-demo/packs TestF42_ContainersOfTwoPacks", "cmd/tipline-demo/packs TestPacks", "model TestF42_BusyFloor"}},
	{"F43", "out of range", []string{"collector TestHour", "collector TestGPUs"}},
	{"F44", "a burst, one odd day", []string{"alerting TestNext", "alerting TestStreakIgnoresTheSchedule", "alerting FuzzNext"}},
	{"F45", "sits on the line", []string{"alerting TestFlapping", "alerting TestUnstable", "alerting TestUnstableIsTold", "alerting TestNextDoesNotDependOnTheSchedule"}},
	{"F46", "cardinality", []string{"collector TestF46_Cardinality", "collector TestF46_Others", "cmd/internal/daemon TestManyNames", "cmd/internal/daemon TestSourceSoak"}},
	{"F47", "the clocks go forward", []string{"cmd/internal/daemon TestSchedule"}},
	{"F48", "the clocks go back", []string{"cmd/internal/daemon TestSchedule"}},
	{"F49", "a schedule that never fires, or not every month", []string{"config TestBadFiles", "cmd/internal/daemon TestSchedule"}},
	{"F50", "months of other lengths", []string{"model/forecast TestSpansAndMonthsAgree", "model/decide TestMonth"}},
	{"F51", "the clock steps", []string{"cmd/internal/daemon TestF51_ClockSteps", "cmd/internal/daemon TestF51_EveryCycleLooks", "cmd/internal/daemon TestSoak", "alerting TestStreakIgnoresTheSchedule"}},
	{"F52", "the clock differs from the server's", []string{"collector TestF52_Clocks", "collector TestF52_NewestSample", "cmd/tipline-demo/packs TestF52_ScraperAhead", "collector TestF52_HoursToCome", "cmd/internal/daemon TestF52_ClockOfTheServer", "cmd/tipline TestCheckLive"}},
	{"F53", "evaluations missed while down", []string{"cmd/internal/daemon TestServe", "cmd/internal/daemon TestKilledBetweenDurableSteps"}},
	{"F54", "a history that takes longer to read than a cycle may", []string{"collector TestFill", "cmd/internal/daemon TestHistoryIsReadBetweenCycles", "cmd/internal/daemon TestTimesAreLeftOut"}},
	{"F55", "the newest sample is old", []string{"collector TestF20_Vanished", "cmd/internal/daemon TestF20_RandomHistories", "cmd/internal/daemon TestFaults"}},
	{"F56", "time stamps of other forms", []string{"collector TestReadAnswer", "collector FuzzDecodeQuery"}},
	{"F57", "SIGKILL at any instruction", []string{
		"cmd/internal/daemon TestSourceSoak", "cmd/internal/daemon TestKilledBetweenDurableSteps", "cmd/internal/daemon TestSoak", "cmd/internal/store TestKill",
	}},
	{"F58", "killed between sent and recorded", []string{"cmd/internal/daemon TestKilledBetweenDurableSteps", "alerting TestFailedWrites"}},
	{"F59", "killed between decided and queued", []string{
		"cmd/internal/daemon TestKilledBetweenDurableSteps", "alerting TestFailedWrites", "alerting TestAnswerIsOneTransaction",
	}},
	{"F60", "a restart announces everything again", []string{"alerting TestAnnouncedOnceAcrossRestarts"}},
	{"F61", "a restart begins confirmation anew", []string{"alerting TestAnnouncedOnceAcrossRestarts"}},
	{"F62", "the disk is full", []string{
		"cmd/internal/daemon TestF62_WriteErrors", "collector TestF62_HistoryCannotBeWritten", "alerting TestNothingMovesWithoutTheDisk", "cmd/internal/daemon TestSoak", "cmd/internal/store TestFullDisk",
	}},
	{"F63", "damaged or foreign data file, damaged history", []string{
		"collector TestF63_CorruptHistory", "collector TestDayRoundTrip", "collector FuzzDecodeDay", "alerting TestCorruptRowsArePutAside", "alerting FuzzLoad",
		"cmd/internal/store TestTruncatedFile", "cmd/internal/store TestFlippedBits", "cmd/internal/store TestForeignFilesArePutAside",
		"cmd/internal/store FuzzOpen",
	}},
	{"F64", "an error of fsync", []string{"alerting TestFailedWrites", "cmd/internal/store TestSystemErrorsAreNotDamage"}},
	{"F65", "power loss in a write", []string{"cmd/internal/store TestKill", "cmd/internal/store TestTruncatedFile"}},
	{"F66", "newer or older data file", []string{"cmd/internal/store TestNewerSchemaIsRefusedUntouched", "cmd/internal/store TestOlderSchemaIsCopiedThenMigrated"}},
	{"F67", "two processes on one data file", []string{"cmd/internal/store TestSecondProcessIsRefused", "cmd/internal/store TestF67_StaleOwner", "cmd/tipline TestF67_SecondProcess", "cmd/tipline TestReportBesideTheDaemon"}},
	{"F68", "state and history grow for ever", []string{
		"cmd/internal/daemon TestF68_Size", "collector TestF68_OldDaysAreDropped", "alerting TestForgottenWorkloads", "cmd/internal/ledger TestCompact", "cmd/internal/daemon TestForget",
	}},
	{"F69", "restored from an old backup", []string{"alerting TestOldMessagesAreNotSent", "cmd/internal/daemon TestUndelivered"}},
	{"F70", "429 with every kind of Retry-After", []string{"alerting/post TestJSON", "alerting/slack TestSendErrors", "alerting TestDeliver"}},
	{"F71", "accepted, but the answer is lost", []string{
		"alerting/slack TestRepeatIsLookedForFirst", "alerting TestDeliverLooksForAWhile", "alerting TestBlindAttemptsAreBounded",
	}},
	{"F72", "an outage of hours", []string{"alerting TestOutboxAfterAnOutage", "alerting TestSupersededIsMerged", "alerting TestAttemptsAreSpread"}},
	{"F73", "refused, no such host", []string{"alerting/post TestBrokenConnections", "alerting/slack TestUnreachable"}},
	{"F74", "broken before and after the request was written", []string{"alerting/post TestBrokenConnections", "alerting/slack TestSendErrors"}},
	{"F75", "status 200 that is no success", []string{"alerting/slack TestSendErrors"}},
	{"F76", "errors that a person must put right", []string{
		"alerting/slack TestDocumentedCodes", "alerting TestDeliver", "alerting TestChannelsDoNotWaitForEachOther", "cmd/internal/daemon TestUndelivered",
	}},
	{"F77", "the reason is in the body", []string{"alerting/slack TestSendErrors", "alerting/slack TestHistoryIsNotQuoted"}},
	{"F78", "a message that is too long", []string{"alerting/slack TestCutsAreShown", "alerting/slack FuzzBlocks"}},
	{"F79", "markup in names", []string{
		"alerting/slack TestHostileNames", "alerting/words FuzzText", "alerting/templates TestTemplateOfHostileValues",
		"alerting/alertmanager FuzzShow", "alerting/webhook FuzzSend", "cmd/internal/ledger FuzzAnswer", "cmd/tipline FuzzExplain", "cmd/tipline FuzzPictures",
	}},
	{"F80", "hundreds cross at once", []string{"alerting TestStorm", "cmd/internal/daemon TestPriceChangeIsOneMessage"}},
	{"F81", "a message overtakes another", []string{"alerting TestDeliver", "alerting TestOutboxAfterAnOutage"}},
	{"F82", "deleted parents, closed edits", []string{"alerting/slack TestOneMessageADecision"}},
	{"F83", "a token that rotates", []string{"alerting/slack TestUnreachable"}},
	{"F84", "missing scope, bot not in the channel", []string{"cmd/tipline TestNotify", "alerting/slack TestRepeatIsLookedForFirst"}},
	{"F85", "a receiver that only speaks like Slack", []string{
		"alerting/slack TestRepeatIsLookedForFirst", "alerting/slack TestWorkspacesWithoutCharts", "alerting TestDeliver",
	}},
	{"F86", "forged or replayed presses", []string{"alerting/slack TestHostilePresses", "cmd/internal/daemon TestPressesAreChecked", "cmd/internal/daemon TestButtons", "alerting/webhook TestVerify"}},
	{"F87", "a bad configuration, template, price file or file of credentials at reload", []string{
		"cmd/internal/daemon TestF87_BadReload", "cmd/internal/web TestF87_PageShowsWhatIsRefused", "config TestBadFiles",
		"cmd/internal/daemon TestReload", "cmd/internal/daemon TestTemplateThatBreaks", "cmd/tipline TestRun",
	}},
	{"F88", "reload in mid run", []string{"alerting TestF94_AtOnce", "cmd/internal/daemon TestSoak", "cmd/internal/daemon TestServe"}},
	{"F89", "a workload that is watched no more", []string{
		"cmd/internal/daemon TestNothingStandsThatIsPricedElsewhere", "cmd/internal/daemon TestNewAndVanishedWorkloads",
	}},
	{"F90", "a panic in an evaluation, a source, a template, a message, a handler", []string{
		"cmd/internal/daemon TestF90_EveryStage", "cmd/internal/daemon TestF90_Evaluation", "cmd/internal/daemon TestF90_Serve", "cmd/internal/daemon TestF90_Picture",
		"cmd/internal/web TestF90_Handler", "collector TestF90_Query", "model TestF90_PanicText",
		"cmd/internal/daemon TestPanicInTheHistory", "alerting/templates FuzzTemplate", "alerting TestPanicOfANotifier", "cmd/tipline TestSecretsStayInside",
	}},
	{"F91", "leaks", []string{"cmd/internal/daemon TestNothingLeaks"}},
	{"F92", "SIGTERM", []string{"cmd/tipline TestRun"}},
	{"F93", "two daemons with a data file each, which do not know of each other", []string{"cmd/internal/daemon TestF93_TwoDaemons", "cmd/tipline TestReportBesideTheDaemon"}},
	{"F94", "data races: every test runs under the race detector, in make race", []string{"alerting TestF94_AtOnce", "cmd/internal/daemon TestServe"}},
	{"F95", "started before the network or the server", []string{"cmd/internal/daemon TestServerDownAtStart"}},
	{"F96", "a value in the wrong key, of the wrong size or form", []string{"config TestBadFiles"}},
	{"F97", "secrets in errors, logs, pages, addresses and data", []string{
		"collector TestOnTheWire", "collector TestFaults", "collector TestNewRefuses", "cmd/tipline TestSecretsStayInside", "alerting/post TestBrokenConnections",
		"alerting/slack TestSendErrors",
	}},
	{"F98", "script in names", []string{"cmd/internal/web TestPageEscapesNames"}},
	{"F99", "PromQL from configured values", []string{"collector FuzzMatcher", "collector TestHostileLabels"}},
	{"F100", "redirects to other hosts", []string{"alerting/post TestJSON", "alerting/slack TestSendErrors"}},
	{"F101", "series of workloads that are gone", []string{"cmd/internal/gauges TestWorkloadThatIsGoneIsNotExported"}},
	{"F102", "labels explode on /metrics", []string{"cmd/internal/gauges TestCap", "cmd/internal/gauges TestF102_Other"}},
	{"F103", "unknown exported as 0", []string{"cmd/internal/gauges TestF103_Companions", "cmd/internal/gauges TestUnknownHasNoSeries", "cmd/internal/daemon TestF103_NothingLately"}},
	{"F104", "slow or many clients of the page", []string{
		"cmd/internal/web TestSlowClientIsDropped", "cmd/internal/web TestF104_OneTooMany", "cmd/internal/web TestF104_IdleClients", "cmd/internal/web TestF104_EndlessBody",
		"cmd/tipline TestF104_IdleClients",
	}},
	{"F105", "the page is open to the network", []string{"cmd/internal/web TestReload", "cmd/internal/web TestRoutes"}},
	{"F106", "hostile words in errors, and floods of them", []string{
		"cmd/tipline TestF106_OnceAMinute", "cmd/tipline TestF106_HostileBody", "collector TestOneLine", "collector TestFaults", "cmd/tipline FuzzLog",
	}},
	{"F107", "known holes of dependencies: make vuln asks the Go vulnerability database; no test does, since it may know of another hole every day", nil},
}

// TestFaultsHaveTests holds that no fault is left out, and that the tests that faults names are there.
func TestFaultsHaveTests(t *testing.T) {
	t.Parallel()
	sources := map[string]string{} // of the tests of a folder
	for i, f := range faults {
		if want := fmt.Sprintf("F%02d", i+1); f.id != want {
			t.Fatalf("got %s, want %s next", f.id, want)
		}
		for _, test := range f.tests {
			folder, name, _ := strings.Cut(test, " ")
			if sources[folder] == "" {
				files, err := filepath.Glob(filepath.Join("..", "..", folder, "*_test.go"))
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
	if last := faults[len(faults)-1].id; last != "F107" {
		t.Errorf("ends with %s, want F107", last)
	}
}
