"""Names and types of the fields, written out from the API's description.

`name:type`, with `!` where the server alone writes it. Types: o ObjectId, d moment, y epoch day, s text, n number,
i integer, b boolean, j object; `a` before one of them: an array of it.
"""

from __future__ import annotations

TABLE = """
[asset] _id:o! companyId:o companyName:s! externalId:s sourceId:s name:s custom:j followers:ao createdAt:d!
  updatedAt:d! serialNumber:s value:n _currency:s installDate:d status:s ownerId:o ownerName:s! usage:j! __v:i!
[campaign] _id:o! name:s campaignPurpose:s companyId:o companyName:s! externalId:s sourceId:s custom:j usage:j! __v:i!
[churn] _id:o! companyId:o companyName:s! churnDate:d value:n arr:n currency:s reasons:as products:as description:s
  comment:s onlyDowngrade:b snoozed:b sourceId:s externalId:s custom:j createdAt:d! updatedAt:d! __v:i!
[company] _id:o! name:s owner:o coOwner:o externalId:s sourceId:s phase:s status:s! domains:as h:i! hProfile:o!
  csmScore:i mr:n! nrr30:n! mrrTotal:n! nrrTotal:n! mrTotal:n! description:s address:s country:s city:s zip:s
  phonePrimary:s web:s customerFrom:d! customerTo:d! alerts:aj! tags:as products:as! licenses:aj! sales:aj!
  createDate:d! lastUpdated:d! lastRenewal:d! renewalDaysFromNow:i! lastActive:d! followers:ao usage:j! lastTouch:d!
  lastTouchType:s! lastTouchByType:j! nextTouch:d! phaseSince:d! csmScoreLog:aj! features:j! sunits:j! shareable:j!
  lastActivities:aj! documents:aj! orgRootId:o! orgPath:s! mrr:n! arr:n! orgMrr:n! orgArr:n! renewalMrr:n!
  renewalArr:n! orgMrrTotal:n! orgArrTotal:n! orgHealthTotal:n! orgLevel:n! orgUnits:n! custom:j slug:s
  collaborators:ao renewalDate:d! autoRenews:b! nps:n! headId:o! hDiff:n! hDiffDate:d! lastTouchTime:d!
  lastActiveTime:d! nextTouchDate:d! links:aj! lastPerformedTriggers:aj! orgCount:i! orgPathCount:i! orgIndependent:b
  arrTotal:n! daysInPhase:i! sentimentScore:n! createdAt:d! updatedAt:d! __v:i!
[conversation] _id:o! subject:s companyId:o companyName:s! description:s snippet:s date:d outDate:d createDate:d!
  type:s users:aj endusers:aj externalId:s activityTags:ao starred:b pinned:b emailTemplateIds:ao! isOpen:b! tags:as!
  waitsToBeFiltered:b! timeBucket:as! archived:b numberOfParts:i! sender:aj! history:aj! isSeen:b! hasMore:b!
  userIds:ao! assigneeName:s! isCustomType:b! hasAttachments:b! numberOfRelevantParts:i! custom:j autoTags:as!
  owner:o! userId:o! followers:ao companySourceId:s! note:s! nickName:s! source:s taskId:o transcript:s category:s
  startDate:d endDate:d ownerId:o useSubject:b comments:aj days:y! createdAt:d! updatedAt:d! __v:i!
[custom_field] _id:o! name:s type:s parent:s isFeatured:b isHidden:b isShared:b isLocked:b isMandatory:b isFormula:b
  treatUndefinedAsZero:b formula:s listValues:as filter:aj! formulaRefs:as! numberFormat:s sortOrder:n __v:i!
[deal] _id:o! name:s companyId:o companyName:s! externalId:s sourceId:s stage:s ownerId:o followers:ao mrr:n arr:n!
  total:n fees:n currency:s closeDate:d renewalDate:d! startDate:d! endDate:d! subscriptionCount:n! custom:j
  createdAt:d! updatedAt:d!
[enduser] _id:o! email:s firstName:s lastName:s name:s! companyId:o companyName:s! externalId:s sourceId:s position:s
  phone:s tags:as featured:b primary:b archived:b sharedNotificationsPrefs:j! npsUnsubscribed:b otherEmails:as
  relatedEndusers:aj! lastActive:d beats:n! beatsTotal:n! beatTrend:n! convs14:n! convsTotal:n! experience:n! nps:i!
  npsComment:s! npsDate:d! npsSent:d! lastTouch:d! lastTouchType:s! lastTouchByType:j! lastActivities:aj! custom:j
  lastTouchTime:d! relevance:n! usage:j! personas:as emailMd5:s! createDate:d! sentimentScore:n! linkedInUrl:s
  relevanceRate:n! description:s lastUpdated:d! companyExternalId:s! createdAt:d! updatedAt:d! __v:i!
[invoice] _id:o! currency:s product:s cId:o cName:s! extId:s sourceId:s invoiceDate:y lastUpdated:d! invoiceNo:i!
  dueDate:y paidDate:y amountTotal:n amountDue:n! amountPaid:n! status:s lineItems:aj emails:as! addressCountry:s!
  invoiceCycle:s! comments:aj! custom:j updatedAt:d! __v:i!
[issue] _id:o! title:s description:s companyIds:ao companies:aj! enduserIds:ao endusers:aj! conversationIds:ao
  sourceId:s source:s sourceUrl:s priority:s archived:b status:s mrrCombined:i! arrCombined:i! createdAt:d!
  updatedAt:d! followers:ao custom:j companyMatchingValue:aj! issueType:s __v:i!
[license] _id:o! product:s _currency:s companyId:o companyName:s! externalId:s sourceId:s fromDate:d toDate:d
  fixedPeriod:b toDateIncluded:b length:n! mrr:n arr:n value:n renewalStatus:s autoRenews:b renewalPeriod:i
  renewalUnit:s noticePeriod:i noticeUnit:s renewalDate:d! renewalDaysFromNow:i! renewalMrr:n renewalArr:n
  isOverdue:b! parent:o invoiceCycle:s invoiceCycleInterval:i invoiceMuted:b invoicesGenerated:b! fcNewMrr:n
  fcNewArr:n fcNewMrrOptimistic:n fcNewMrrPessimistic:n fcNewArrOptimistic:n fcNewArrPessimistic:n custom:j
  fcNewStartDate:d salesDate:d status:s! issues:aj! __v:i!
[line_item] _id:o! externalId:s sourceId:s dealId:o companyId:o productId:o productName:s! productType:s status:s
  fixedPeriod:b fromDate:d toDate:d length:n mrr:n arr:n value:n currency:s autoRenews:b renewalMrr:n renewalArr:n
  renewalPeriod:n noticePeriod:n noticeUnit:s custom:j createdAt:d! updatedAt:d!
[metric] _id:o! dimensionId:s! time:d! value:n! model:s! parentId:o! companyId:o! companyName:s!
[nps] _id:o! cId:o email:s euId:o! campaignId:o score:i comment:s sourceId:s dateSent:d dateAnswered:d source:s
  custom:j scoreType:s! nps:i! npsComment:s! npsDate:d! __v:i!
[objective] _id:o! name:s health:n companyId:o companyName:s! externalId:s sourceId:s custom:j usage:j! __v:i!
[opportunity] _id:o! salesStage:s companyId:o companyName:s! dealDate:d landingDate:d closeDate:d externalId:s
  sourceId:s _currency:s title:s ownerId:o mrr:n arr:n nrr:n contractLength:i status:s stageHistory:aj! custom:j
  recurringValue:n probability:n comments:aj! __v:i!
[product] _id:o! name:s externalId:s sourceId:s type:s mrr:n arr:n! value:n currency:s fixedPeriod:b autoRenews:b
  length:n renewalMrr:n renewalArr:n! renewalPeriod:n noticePeriod:n noticeUnit:s packages:as color:s custom:j
  createdAt:d! updatedAt:d!
[project] _id:o! name:s companyId:o companyName:s! externalId:s sourceId:s currency:s startDate:d endDate:d mrr:n
  arr:n nrr:n custom:j __v:i!
[sale] _id:o! _currency:s product:s companyId:o companyName:s! externalId:s sourceId:s salesDate:d value:n custom:j
  __v:i!
[task] _id:o! mainType:s companyId:o companyName:s! startTime:d endTime:d dateDone:d action:s description:s repeat:s
  repeatDays:i type:s ownerId:o ownerName:s! status:s users:aj! endusers:aj! doneBy:o shared:b! snippet:s! sourceId:s
  checklist:aj isArchived:b activityTags:ao noSpecificTime:b! overdueNotified:b! custom:j noteId:o! ownerType:s!
  workflowId:o! workflowName:s! workflowStepId:o! workflowTaskId:o! workflowTemplateId:o! path:s! parent:o
  children:ao! comments:aj! sortPosition:n! createdAt:d! updatedAt:d! __v:i!
[ticket] _id:o! source:s companyId:o sourceId:s email:s domains:as companyExternalId:s title:s description:s url:s
  tags:as type:s severity:s product:s timeSpent:i status:s history:aj name:s agentEmail:s createdAt:d updatedAt:d
  externalId:s! subType:s! subject:s! snippet:s! createDate:d! updateDate:d! date:d! inDate:d! days:y! timeBucket:as!
  companyName:s! endusers:aj! users:aj! sender:aj! starred:b! pinned:b! isOpen:b! archived:b! waitsToBeFiltered:b!
  activityTags:ao! emailTemplateIds:ao! custom:j
[time_entry] _id:o! companyId:o date:d hours:n isTimeOff:b description:s isBillable:b billingCode:s currency:s
  billableRate:n totalBilled:n! costRate:n totalCost:n! timesheetStatus:s! timesheetId:o! assignedModel:s assignedId:o
  path:s! custom:j createdAt:d! updatedAt:d! __v:i!
[timesheet] _id:o! approvedBy:o! status:s timeEntries:ao dateOfApproval:d! dateFrom:y dateTo:y assignedModel:s
  assignedId:o createdAt:d! updatedAt:d! __v:i!
[user] _id:o! email:s nickName:s firstName:s lastName:s roles:ao externalId:s inactive:b image:j! radarOneLine:b!
  taskFilter:j! companyFilter:s! compressedView:b! isHidden:b notificationsEnabled:b createDate:d! createdAt:d!
  updatedAt:d! permissions:aj! tzOffset:n managers:ao teams:ao isExposedAsSenderOption:b custom:j removed:b! poc:as
  dailyDigest:b followerUpdate:b inAppNotifications:b defaultMeetingLength:n defaultCurrencyId:s mrr:n! arr:n!
  mrrAvg:n! arrAvg:n! npsAvg:n! healthAvg:n! healthAvgRound:n! customerCount:n! payingCustomerCount:n! revenueShare:n!
  lastTouch7:n! lastTouch30:n! lastTouch90:n! lastActive7:n! lastActive30:n! lastActive90:n! nrOpenTasks:n!
  nrOverDueTasks:n! nrTasksDue7Days:n! nrTasksDue14Days:n! nrTasksDue30Days:n! nrTasksDue90Days:n! googleApi:j!
  msApi:j! type:s! accountAccess:j! lastDailyDigest:d! playlistSection:j! googleCalendarApi:j! __v:i!
[workspace] _id:o! name:s ownerId:o companyId:o companyName:s! externalId:s sourceId:s custom:j __v:i!
[workflow] _id:o! name:s type:s status:s owner:o companyId:o companyName:s! templateId:j targetId:o targetName:s
  targetModel:s endUserEmail:s startDate:d nextStartTime:d expectedEndDate:d expectedDays:n actualDays:n percentDone:n
  isArchived:b archiveDate:d openRate:n clickRate:n replyRate:n bounceRate:n custom:j createdAt:d! updatedAt:d!
"""


def _parse(text: str) -> dict[str, tuple[str, bool]]:
    names = (word.partition(":") for word in text.split())
    return {name: (kind.rstrip("!"), kind.endswith("!")) for name, _, kind in names}


FIELDS = {part.partition("]")[0]: _parse(part.partition("]")[2]) for part in TABLE.split("[")[1:]}
